import { defineEvent } from '../define/index.ts';

const startFailure =
  'The start is aborted with exit status 1. Of a changed policy: it does not come into service, and its status says why.';
const nothingKept =
  'What it declares holds until the next start; of a changed policy log hooks are taken over at once, and what needs a restart is named in its status.';

export const lifecycleEvents = [
  defineEvent({
    name: 'pre_init',
    multiple: true,
    args: {},
    when: 'After the policy was loaded, before init.',
    often:
      'Once per start, in the coordinator. A changed policy is tried first in the mode of `--validate`, which runs it too and starts nothing.',
    persisted: nothingKept,
    failure: startFailure,
    doc: 'For settings that must be made before anything runs, and for helpers.',
  }),
  defineEvent({
    name: 'init',
    args: {},
    when: 'After pre_init, before mail is taken.',
    often:
      'Once per start, in the coordinator. A changed policy is tried first in the mode of `--validate`, which runs it too and starts nothing.',
    persisted: nothingKept,
    failure: startFailure,
    doc: 'Starts listeners, defines the spool, configures logs.',
  }),
  defineEvent({
    name: 'validate_config',
    multiple: true,
    args: {},
    when: 'At the end of `moonpost --validate`, and when a changed policy is tried.',
    often: 'Once.',
    persisted: 'Nothing.',
    failure: 'Validation fails with exit status 1.',
    doc: 'Checks of the policy by itself; kumo.validation_failed() makes the validation fail and goes on.',
  }),
  defineEvent({
    name: 'config_epoch_changed',
    multiple: true,
    args: {},
    when: 'A changed policy, or a changed data file of it, came into service.',
    often:
      'Once per switch in each shard and in the coordinator, in the new generation, beside the first mail of it.',
    persisted: 'Nothing.',
    failure: 'Is logged.',
    doc: 'For reading data files before mail needs what they say; the helpers do.',
  }),
  defineEvent({
    name: 'shutdown_logging',
    args: {},
    when: 'During shutdown, before the loggers stop.',
    often: 'Once.',
    persisted: 'Nothing.',
    failure: 'Is logged.',
    doc: 'A last chance to flush what the policy holds.',
    status: 'now',
  }),
  defineEvent({
    name: 'main',
    args: { '...': 'string' },
    when: 'In script mode.',
    often: 'Once.',
    persisted: 'Nothing.',
    failure: 'Exit status 1.',
    doc: 'Gets the arguments of the command line.',
    status: 'now',
  }),
  defineEvent({
    name: 'tsa_init',
    args: {},
    when: 'At the start of the traffic shaping daemon.',
    often: 'Once.',
    persisted: 'Nothing.',
    failure: 'The start is aborted.',
    doc: 'Of the daemon for traffic shaping.',
    status: 'planned',
  }),
  defineEvent({
    name: 'tsa_load_shaping_data',
    args: {},
    returns: 'table',
    when: 'For log records in the traffic shaping daemon.',
    often: 'Per record.',
    persisted: 'Nothing.',
    failure: 'Is logged.',
    doc: 'Of the daemon for traffic shaping.',
    status: 'planned',
  }),
  defineEvent({
    name: 'proxy_init',
    args: {},
    when: 'At the start of the proxy server.',
    often: 'Once.',
    persisted: 'Nothing.',
    failure: 'The start is aborted.',
    doc: 'Starts the listeners of the proxy server.',
    status: 'planned',
  }),
  defineEvent({
    name: 'proxy_server_auth_rfc1929',
    args: { user: 'string', password: 'string', connection: 'table' },
    returns: 'boolean|table',
    when: 'A client of the proxy server gives a password.',
    often: 'Once per connection.',
    persisted: 'Nothing.',
    failure: 'The connection is refused.',
    doc: 'Returns whether the password is right. Of the proxy server.',
    status: 'planned',
  }),
];
