import fc from 'fast-check';
import { expect, test } from 'vitest';
import { siteName } from '../../src/model/index.ts';

test.each([
  [['mx.example.com'], undefined, 'mx.example.com'],
  [
    ['mta5.am0.example.net', 'mta6.am0.example.net', 'mta7.am0.example.net'],
    undefined,
    '(mta5|mta6|mta7).am0.example.net',
  ],
  [
    [
      'gmail-smtp-in.l.google.com',
      'alt1.gmail-smtp-in.l.google.com',
      'alt2.gmail-smtp-in.l.google.com',
      'alt3.gmail-smtp-in.l.google.com',
      'alt4.gmail-smtp-in.l.google.com',
    ],
    undefined,
    '(alt1|alt2|alt3|alt4)?.gmail-smtp-in.l.google.com',
  ],
  [['example.com', 'mx.example.com'], undefined, 'mx?.example.com'],
  [['a.example.com', 'a.example.net'], undefined, 'a.example.(com|net)'],
  [['mx1.example.com', 'backup.other.net'], undefined, '(mx1|backup).(example|other).(com|net)'],
  [['mx1.example.net', 'mx2.example.net'], 25, '(mx1|mx2).example.net:25'],
  [['a.one.com', 'b.two.net'], 2525, '(a|b).(one|two).(com:2525|net:2525)'],
  [['localhost'], 2525, 'localhost:2525'],
  [[''], undefined, ''],
  [[], 25, ''],
])('%j, port %s: %s', (hosts, port, expected) => {
  expect(siteName(hosts, port)).toBe(expected);
});

test('the order of hosts matters', () => {
  expect(siteName(['b.example.com', 'a.example.com'])).toBe('(b|a).example.com');
});

const label = fc.stringMatching(/^[a-z0-9]{1,4}$/);
const host = fc.array(label, { minLength: 1, maxLength: 5 }).map((labels) => labels.join('.'));

test('read as a pattern, the name matches each of its hosts', () => {
  fc.assert(
    fc.property(fc.array(host, { minLength: 1, maxLength: 8 }), (hosts) => {
      const positions = siteName(hosts).split('.');
      for (const name of hosts) {
        const labels = name.split('.');
        const from = positions.length - labels.length;
        for (const [index, position] of positions.entries()) {
          const choices = position.replace(/[()?]/g, '').split('|');
          if (index >= from) expect(choices).toContain(labels[index - from]);
          else expect(position.endsWith('?')).toBe(true);
        }
      }
    }),
  );
});

test('one host is its own name', () => {
  fc.assert(
    fc.property(host, (name) => {
      expect(siteName([name, name])).toBe(name);
    }),
  );
});
