import { defineEvent } from '../define/index.ts';

/*
 * How the answer looks, for the helpers that register these events:
 *
 *   { { option = 'max_message_rate', value = '20/s', origin = {
 *       kind = 'file',                      -- 'file', 'default', 'provider', 'automation' or 'helper'
 *       section = '["example.org"]',        -- the heading as it stands in the file; for 'helper' what it was
 *       file = '/etc/shaping.toml', line = 12,  -- where there is one
 *       provider = 'bigmail',               -- for 'provider' its name
 *   } }, ... }
 *
 * One entry for each option that the helper sets, with the value that holds, as a policy would write it. An inner key
 * of a table of limits or throttles is an entry of its own: option = 'additional_connection_limits.NAME'. `origin` may
 * be a text, which then is its section, of kind 'helper'. What is not in the list is told as built-in by the caller.
 * A helper that is not set up falls off the end, which passes on to the next handler.
 */
export const ORIGIN_TYPE =
  '{kind: string, section: string?, file: string?, line: integer?, column: integer?, provider: string?}|string';
const returns = `{option: string, value: any, origin: ${ORIGIN_TYPE}}[]`;
const about = {
  multiple: true,
  returns,
  often: 'Once per command; never while mail is sent.',
  persisted: 'Nothing.',
  failure: 'The command prints the error and goes on without the origins.',
};

export const explainEvents = [
  defineEvent({
    ...about,
    name: 'explain_egress_path_config',
    args: { domain: 'string', egress_source: 'string', site_name: 'string' },
    when: '`moonpost resolve-shaping-domain` and `moonpost explain` ask where the options of a path come from.',
    doc: 'Registered by the shaping helper. Answers with a list of option, value and origin, an entry for each option that it sets.',
  }),
  defineEvent({
    ...about,
    name: 'explain_queue_config',
    args: {
      domain: 'string',
      tenant: 'string|nil',
      campaign: 'string|nil',
      routing_domain: 'string|nil',
    },
    when: '`moonpost resolve-queue-config`, `resolve-shaping-domain` and `explain` ask where the options of a queue come from.',
    doc: 'Registered by the queue helper. Answers with a list of option, value and origin, an entry for each option that it sets.',
  }),
];
