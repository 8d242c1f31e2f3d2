import { boolean, defineOptions, duration, field, type OptionsOf, oneOf } from '../define/index.ts';

const level = () => oneOf('Ignore', 'Warn', 'Error');

export const shapingLoadOptions = defineOptions(
  'shaping.load',
  { luaClass: 'kumo.shaping.LoadOptions', doc: 'How kumo.shaping.load reads files, and what it reports.' },
  {
    local_load: field(level(), {
      default: 'Error',
      doc: 'A file that cannot be read, and so counts as empty.',
    }),
    remote_load: field(level(), {
      default: 'Ignore',
      doc: 'A URL that cannot be fetched. Its last good copy holds; without one it counts as empty.',
    }),
    dns_fail: field(level(), {
      default: 'Ignore',
      doc: 'A block with mx_rollup whose domain has no MX to be found. It is left out.',
    }),
    null_mx: field(level(), {
      default: 'Ignore',
      doc: 'A block with mx_rollup whose domain takes no mail. It is left out.',
    }),
    aliased_site: field(level(), { default: 'Ignore', doc: 'Blocks of several domains that have one site.' }),
    provider_overlap: field(level(), {
      default: 'Ignore',
      doc: 'A block with mx_rollup whose domain providers match too.',
    }),
    skip_remote: field(boolean(), { default: false, doc: 'Fetch no URL; each is a warning.' }),
    http_timeout: field(duration(), { default: '5s', doc: 'How long fetching a URL may take.' }),
  },
);

export type ShapingLoadOptions = OptionsOf<typeof shapingLoadOptions>;
