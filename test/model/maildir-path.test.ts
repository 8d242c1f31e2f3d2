import { expect, test } from 'vitest';
import { expandMaildirPath, type MaildirVariables } from '../../src/model/index.ts';

const variables: MaildirVariables = {
  meta: { folder: 'inbox', deep: { a: 1 }, n: 3, evil: '../etc', constructor: 'c' },
  queue: 'camp:ten@example.org',
  campaign: 'camp',
  tenant: undefined,
  domain: 'example.org',
  routing_domain: undefined,
  local_part: 'joe',
  domain_part: 'Example.org',
  email: 'joe@Example.org',
  sender_local_part: '',
  sender_domain_part: 'x.test',
  sender_email: 'a@x.test',
};

test.each([
  ['/var/mail', '/var/mail'],
  // What the operator wrote may be relative; only what a message brings may not.
  ['./var/../mail/{{ domain_part }}/{{local_part}}', './var/../mail/Example.org/joe'],
  ['/m/{{ meta.folder }}-{{ meta.n }}/{{ campaign }}', '/m/inbox-3/camp'],
  ['/m/{{ meta.constructor }}/{{ email }}', '/m/c/joe@Example.org'],
])('%s', (template, path) => {
  expect(expandMaildirPath(template, variables)).toBe(path);
});

test.each([
  ['{{ tenant }}', 'this message has no tenant'],
  ['{{ sender_local_part }}', 'this message has no sender_local_part'],
  ['{{ meta.missing }}', 'this message has no meta.missing'],
  ['{{ meta.toString }}', 'this message has no meta.toString'],
  ['{{ meta.deep }}', 'this message has no meta.deep'],
  ['{{ meta }}', 'not understood'],
  ['{{ nonsense }}', 'not understood'],
  ['{{ domain.x }}', 'not understood'],
  ['{{ domain | upper }}', 'not understood'],
  ['{% if x %}', 'only {{ name }}'],
  ['{{ domain', 'unbalanced'],
  ['domain }}', 'unbalanced'],
  ['{{ meta.evil }}', 'cannot stand in a path'],
])('/m/%s is an error', (template, why) => {
  expect(() => expandMaildirPath(`/m/${template}`, variables)).toThrow(why);
});

test.each(['a/b', '..', 'a..b', 'a\0b', 'a\nb', '.'])('%j cannot come out of a variable', (local_part) => {
  expect(() => expandMaildirPath('/m/{{ local_part }}', { ...variables, local_part })).toThrow(
    'maildir_path',
  );
});

test('two values cannot make a relative part together', () => {
  const dots = { ...variables, local_part: '.', campaign: '.' };
  expect(() => expandMaildirPath('/m/{{ local_part }}{{ campaign }}/x', dots)).toThrow('relative part');
});
