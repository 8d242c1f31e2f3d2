import {
  type FileMetadata,
  listDirectory,
  listMatching,
  OpenFile,
  readMetadata,
} from '../../io/files/index.ts';
import {
  bytes,
  type CallContext,
  defineFunction,
  defineModule,
  defineObject,
  duration,
  integer,
  methodsOf,
  oneOf,
  optional,
  string,
  type UnnamedFunction,
} from '../../model/define/index.ts';
import { sharedBy } from './kept.ts';
import { Time } from './kumo.time.ts';

/** Metadata with what a time needs to know the present. */
export class PathMetadata {
  readonly found: FileMetadata;
  readonly now: () => number;

  constructor(found: FileMetadata, now: () => number) {
    this.found = found;
    this.now = now;
  }
}

const globsOf = sharedBy(() => new Map<string, { until: number; paths: Promise<string[]> }>());
const MOST_GLOBS = 1024;

/** The answer is kept for `ttl` milliseconds. */
function cachedGlob(pattern: string, base: string, ttl: number, { host }: CallContext): Promise<string[]> {
  const globs = globsOf(host);
  const key = `${base}\0${pattern}`;
  const now = host.clock.monotonic();
  const known = globs.get(key);
  if (known !== undefined && known.until > now) return known.paths;
  if (globs.size >= MOST_GLOBS) globs.clear();
  const paths = listMatching(pattern, base);
  globs.set(key, { until: now + ttl, paths });
  paths.catch(() => globs.delete(key));
  return paths;
}

const path = string();

function metadata(followLinks: boolean, doc: string): UnnamedFunction {
  return defineFunction({
    params: { path },
    returns: 'path_metadata',
    doc,
    call: async ({ path }, { host }) =>
      new PathMetadata(await readMetadata(path, followLinks), () => host.clock.now()),
  });
}

export const fsFunctions = {
  open: defineFunction({
    params: { path, mode: optional(string(), 'r') },
    returns: 'async_file',
    doc: 'Opens a file in one of the modes of io.open. Raises an error when it cannot.',
    call: async ({ path, mode }, context) => {
      const file = await OpenFile.open(path, mode);
      context.noteFile(path, /^rb?$/.test(mode) ? 'read' : 'written');
      return file;
    },
  }),
  read_dir: defineFunction({
    params: { path },
    returns: 'string[]',
    doc: 'Paths of what a directory holds.',
    call: ({ path }) => listDirectory(path),
  }),
  glob: defineFunction({
    params: { pattern: string(), base: optional(string(), '.'), ttl: optional(duration(), 60) },
    returns: 'string[]',
    doc: 'Paths that match, relative to `base`; the answer is kept for `ttl`.',
    call: ({ pattern, base, ttl }, context) => cachedGlob(pattern, base, ttl, context),
  }),
  uncached_glob: defineFunction({
    params: { pattern: string(), base: optional(string(), '.') },
    returns: 'string[]',
    doc: 'As glob, looked up each time.',
    call: ({ pattern, base }) => listMatching(pattern, base),
  }),
  metadata_for_path: metadata(true, 'What is known of a file, or of what a link points to.'),
  symlink_metadata_for_path: metadata(false, 'What is known of a file or of a link itself.'),
} satisfies Record<string, UnnamedFunction>;

export const fsModule = defineModule(
  'kumo.fs',
  { doc: 'Files. All of it waits without holding up anything else, and raises an error where it fails.' },
  fsFunctions,
);

const method = methodsOf<OpenFile>();

export const asyncFileObject = defineObject(
  'async_file',
  OpenFile,
  { doc: 'An open file.', text: ({ path }) => `file (${path})` },
  {
    read: method({
      params: { length: optional(integer({ min: 0 })) },
      returns: 'string',
      doc: 'At most `length` bytes, all that remain without it; empty at the end.',
      call: (self, { length }) => self.read(length),
    }),
    write: method({
      params: { bytes: bytes() },
      doc: 'Writes all of the bytes.',
      call: (self, { bytes }) => self.write(bytes),
    }),
    seek: method({
      params: { whence: optional(oneOf('set', 'cur', 'end'), 'cur'), offset: optional(integer(), 0) },
      returns: 'integer',
      doc: 'Moves, and says where it is then, counted from the start.',
      call: (self, { whence, offset }) => self.seek(whence, offset),
    }),
    flush: method({ doc: 'Waits until the disk has what was written.', call: (self) => self.flush() }),
    close: method({ doc: 'Closes the file.', call: (self) => self.close() }),
  },
);

const count = (doc: string, name: keyof FileMetadata['numbers']) => ({
  luaType: 'integer',
  doc,
  get: (self: PathMetadata) => self.found.numbers[name],
});
const time = (doc: string, name: keyof FileMetadata['times']) => ({
  luaType: 'time',
  doc,
  get: (self: PathMetadata) => new Time(self.found.times[name], self.now),
});
const flag = (doc: string, get: (found: FileMetadata) => boolean) => ({
  luaType: 'boolean',
  doc,
  get: (self: PathMetadata) => get(self.found),
});

export const pathMetadataObject = defineObject('path_metadata', PathMetadata, {
  doc: 'What is known of a file besides its content.',
  fields: {
    is_file: flag('A regular file.', ({ isFile }) => isFile),
    is_dir: flag('A directory.', ({ isDirectory }) => isDirectory),
    is_symlink: flag('A link.', ({ isSymlink }) => isSymlink),
    readonly: flag('Nobody may write it.', ({ numbers }) => (numbers.mode & 0o222) === 0),
    len: { luaType: 'integer', doc: 'Length in bytes.', get: (self) => self.found.size },
    size: { luaType: 'integer', doc: 'Length in bytes.', get: (self) => self.found.size },
    dev: count('Device that it is on.', 'dev'),
    ino: count('Number of the inode.', 'ino'),
    mode: count('Kind and permissions.', 'mode'),
    nlink: count('Number of hard links.', 'nlink'),
    uid: count('Owner.', 'uid'),
    gid: count('Group.', 'gid'),
    rdev: count('Device that it is, for special files.', 'rdev'),
    blksize: count('Block size.', 'blksize'),
    blocks: count('Blocks of 512 bytes in use.', 'blocks'),
    mtime: time('When the content was changed.', 'mtime'),
    atime: time('When it was read.', 'atime'),
    ctime: time('When anything of it was changed.', 'ctime'),
  },
});
