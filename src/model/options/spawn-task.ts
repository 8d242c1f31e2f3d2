import { anyValue, defineOptions, field, list, type OptionsOf, string } from '../define/index.ts';

export const spawnTaskOptions = defineOptions(
  'spawn_task',
  { luaClass: 'kumo.SpawnTaskOptions', doc: 'An event that runs in the background.' },
  {
    event_name: field(string(), { required: true, doc: 'Name of the event.' }),
    args: field(list(anyValue()), { required: true, doc: 'The handler gets this list as its one argument.' }),
  },
);

export type SpawnTaskOptions = OptionsOf<typeof spawnTaskOptions>;
