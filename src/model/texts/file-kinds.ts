/** Kinds of files that mail carries, for kumo.file_type. */
export interface FileKind {
  readonly name: string;
  readonly extensions: readonly string[];
  /** The usual one first. */
  readonly media_types: readonly string[];
}

type Signature = readonly [offset: number, bytes: string][];

const kind = (name: string, extensions: string, types: string, ...signatures: Signature[]) => ({
  kind: { name, extensions: extensions.split(' '), media_types: types.split(' ') },
  signatures,
});

const TEXT: FileKind = {
  name: 'Plain Text',
  extensions: ['txt', 'text', 'log'],
  media_types: ['text/plain'],
};
const BINARY: FileKind = {
  name: 'Arbitrary Binary Data',
  extensions: ['bin'],
  media_types: ['application/octet-stream'],
};

/** Narrower kinds stand before those that they are a case of. Signatures are bytes as latin1 text. */
const KINDS: readonly { kind: FileKind; signatures: Signature[] }[] = [
  kind('Portable Document Format', 'pdf', 'application/pdf', [[0, '%PDF-']]),
  kind('Portable Network Graphics', 'png', 'image/png', [[0, '\x89PNG\r\n\x1a\n']]),
  kind('Joint Photographic Experts Group', 'jpg jpeg jpe jfif', 'image/jpeg', [[0, '\xff\xd8\xff']]),
  kind('Graphics Interchange Format', 'gif', 'image/gif', [[0, 'GIF87a']], [[0, 'GIF89a']]),
  kind('WebP', 'webp', 'image/webp', [
    [0, 'RIFF'],
    [8, 'WEBP'],
  ]),
  kind('AV1 Image File Format', 'avif', 'image/avif', [[4, 'ftypavif']]),
  kind(
    'High Efficiency Image File Format',
    'heic heif',
    'image/heic image/heif',
    [[4, 'ftypheic']],
    [[4, 'ftypmif1']],
  ),
  kind('Tag Image File Format', 'tif tiff', 'image/tiff', [[0, 'II*\0']], [[0, 'MM\0*']]),
  kind('Windows Bitmap', 'bmp', 'image/bmp', [
    [0, 'BM'],
    [6, '\0\0\0\0'],
  ]),
  kind('Icon', 'ico', 'image/vnd.microsoft.icon image/x-icon', [[0, '\0\0\x01\0']]),
  kind('Scalable Vector Graphics', 'svg', 'image/svg+xml', [[0, '<svg']]),
  kind('Waveform Audio', 'wav', 'audio/vnd.wave audio/wav', [
    [0, 'RIFF'],
    [8, 'WAVE'],
  ]),
  kind('Audio Video Interleave', 'avi', 'video/avi video/x-msvideo', [
    [0, 'RIFF'],
    [8, 'AVI '],
  ]),
  kind('MPEG-1/2 Audio Layer 3', 'mp3', 'audio/mpeg', [[0, 'ID3']], [[0, '\xff\xfb']]),
  kind('Ogg', 'ogg oga ogv', 'application/ogg audio/ogg video/ogg', [[0, 'OggS']]),
  kind('Free Lossless Audio Codec', 'flac', 'audio/flac', [[0, 'fLaC']]),
  kind('Apple QuickTime', 'mov qt', 'video/quicktime', [[4, 'ftypqt  ']]),
  kind('MPEG-4 Part 14 Video', 'mp4 m4v', 'video/mp4', [[4, 'ftyp']]),
  kind('Matroska Video', 'mkv webm', 'video/x-matroska video/webm', [[0, '\x1aE\xdf\xa3']]),
  kind(
    'Office Open XML Document',
    'docx',
    'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
    [
      [0, 'PK\x03\x04'],
      [30, 'word/'],
    ],
  ),
  kind(
    'Office Open XML Workbook',
    'xlsx',
    'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
    [
      [0, 'PK\x03\x04'],
      [30, 'xl/'],
    ],
  ),
  kind(
    'Office Open XML Presentation',
    'pptx',
    'application/vnd.openxmlformats-officedocument.presentationml.presentation',
    [
      [0, 'PK\x03\x04'],
      [30, 'ppt/'],
    ],
  ),
  kind('OpenDocument Text', 'odt', 'application/vnd.oasis.opendocument.text', [
    [0, 'PK\x03\x04'],
    [30, 'mimetypeapplication/vnd.oasis.opendocument.text'],
  ]),
  kind('Electronic Publication', 'epub', 'application/epub+zip', [
    [0, 'PK\x03\x04'],
    [30, 'mimetypeapplication/epub+zip'],
  ]),
  kind('Java Archive', 'jar', 'application/java-archive', [
    [0, 'PK\x03\x04'],
    [30, 'META-INF/'],
  ]),
  kind('ZIP', 'zip', 'application/zip', [[0, 'PK\x03\x04']], [[0, 'PK\x05\x06']]),
  kind(
    'Compound File Binary',
    'doc xls ppt msg msi',
    'application/x-cfb application/msword application/vnd.ms-excel application/vnd.ms-powerpoint application/vnd.ms-outlook',
    [[0, '\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1']],
  ),
  kind('gzip', 'gz', 'application/gzip', [[0, '\x1f\x8b']]),
  kind('bzip2', 'bz2', 'application/x-bzip2', [[0, 'BZh']]),
  kind('XZ', 'xz', 'application/x-xz', [[0, '\xfd7zXZ\0']]),
  kind('Zstandard', 'zst', 'application/zstd', [[0, '\x28\xb5\x2f\xfd']]),
  kind('7-Zip', '7z', 'application/x-7z-compressed', [[0, '7z\xbc\xaf\x27\x1c']]),
  kind('Roshal ARchive', 'rar', 'application/vnd.rar', [[0, 'Rar!\x1a\x07']]),
  kind('Tape Archive', 'tar', 'application/x-tar', [[257, 'ustar']]),
  kind('ISO 9660', 'iso', 'application/x-iso9660-image', [[32_769, 'CD001']]),
  kind('Windows Portable Executable', 'exe dll scr', 'application/vnd.microsoft.portable-executable', [
    [0, 'MZ'],
  ]),
  kind('Executable and Linkable Format', 'elf so', 'application/x-elf', [[0, '\x7fELF']]),
  kind('WebAssembly', 'wasm', 'application/wasm', [[0, '\0asm']]),
  kind('SQLite 3', 'sqlite db', 'application/vnd.sqlite3', [[0, 'SQLite format 3\0']]),
  kind('Rich Text Format', 'rtf', 'application/rtf text/rtf', [[0, '{\\rtf']]),
  kind(
    'HyperText Markup Language',
    'html htm',
    'text/html',
    [[0, '<!DOCTYPE html']],
    [[0, '<!doctype html']],
    [[0, '<html']],
  ),
  kind('Extensible Markup Language', 'xml', 'application/xml text/xml', [[0, '<?xml']]),
  kind('iCalendar', 'ics', 'text/calendar', [[0, 'BEGIN:VCALENDAR']]),
  kind('vCard', 'vcf', 'text/vcard', [[0, 'BEGIN:VCARD']]),
  kind('JavaScript Object Notation', 'json', 'application/json'),
  kind('Comma Separated Values', 'csv', 'text/csv'),
  kind('Cascading Style Sheets', 'css', 'text/css'),
  kind('JavaScript', 'js mjs', 'text/javascript'),
  kind('Internet Message Format', 'eml', 'message/rfc822'),
  { kind: TEXT, signatures: [] },
  { kind: BINARY, signatures: [] },
];

/** By the bytes that a file begins with; text and anything else are kinds too. */
export function fileKindOf(bytes: Buffer): FileKind {
  for (const { kind, signatures } of KINDS) {
    const fits = (signature: Signature) =>
      signature.every(([offset, text]) => bytes.toString('latin1', offset, offset + text.length) === text);
    if (signatures.some(fits)) return kind;
  }
  return bytes.subarray(0, 4096).some((byte) => byte < 9 || (byte > 13 && byte < 32 && byte !== 27))
    ? BINARY
    : TEXT;
}

/** With or without the dot, in any case. */
export function fileKindsOfExtension(extension: string): FileKind[] {
  const wanted = extension.replace(/^\./, '').toLowerCase();
  return KINDS.filter(({ kind }) => kind.extensions.includes(wanted)).map(({ kind }) => kind);
}

/** Parameters such as charset do not count. */
export function fileKindsOfMediaType(type: string): FileKind[] {
  const wanted = type.split(';')[0]!.trim().toLowerCase();
  return KINDS.filter(({ kind }) => kind.media_types.includes(wanted)).map(({ kind }) => kind);
}
