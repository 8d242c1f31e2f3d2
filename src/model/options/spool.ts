import {
  anyValue,
  boolean,
  defineOptions,
  field,
  freeFloor,
  map,
  type OptionsOf,
  oneOf,
  string,
} from '../define/index.ts';

export const spoolOptions = defineOptions(
  'define_spool',
  { luaClass: 'kumo.SpoolOptions', doc: 'Where mail is kept.' },
  {
    name: field(string(), { required: true, doc: 'Only `data` and `meta` are used.' }),
    path: field(string(), { required: true, doc: 'Directory; made when it is missing.' }),
    kind: field(oneOf('RocksDB', 'LocalDisk'), {
      default: 'RocksDB',
      doc: 'RocksDB, or nothing, selects the segment log of Moonpost; LocalDisk is one fsynced file per message.',
    }),
    flush: field(boolean(), {
      default: true,
      doc: 'Wait until the disk has a message before it is acknowledged. Without it a power cut may lose mail.',
    }),
    min_free_space: field(freeFloor(), { default: '10%', doc: 'With less free space no mail is taken.' }),
    min_free_inodes: field(freeFloor(), { default: '10%', doc: 'With fewer free inodes no mail is taken.' }),
    rocks_params: field(map(anyValue()), {
      effect: 'later',
      doc: 'Tuning of RocksDB. Accepted so that policies load; Moonpost does not use RocksDB.',
    }),
  },
);

export type SpoolOptions = OptionsOf<typeof spoolOptions>;
