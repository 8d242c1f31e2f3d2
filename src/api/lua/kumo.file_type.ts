import { bytes, defineFunction, defineModule, string } from '../../model/define/index.ts';
import { fileKindOf, fileKindsOfExtension, fileKindsOfMediaType } from '../../model/texts/index.ts';

const KIND = '{name: string, extensions: string[], media_types: string[]}';

export const fileTypeModule = defineModule(
  'kumo.file_type',
  { doc: 'What kind of file something is.' },
  {
    from_bytes: defineFunction({
      params: { bytes: bytes() },
      returns: KIND,
      doc: 'By the bytes that it begins with.',
      call: ({ bytes }) => fileKindOf(bytes),
    }),
    from_extension: defineFunction({
      params: { extension: string() },
      returns: `${KIND}[]`,
      doc: 'Kinds whose files end so.',
      call: ({ extension }) => fileKindsOfExtension(extension),
    }),
    from_media_type: defineFunction({
      params: { media_type: string() },
      returns: `${KIND}[]`,
      doc: 'Kinds of a media type.',
      call: ({ media_type }) => fileKindsOfMediaType(media_type),
    }),
  },
);
