import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PolicyValueError } from '../../src/model/define/index.ts';
import { localTime, Schedule, utcOf } from '../../src/model/index.ts';

const at = (text: string): number => Date.parse(text);
const shown = (time: number): string => new Date(time).toISOString().replace('.000Z', 'Z');
const next = (written: Record<string, string>, due: string): string =>
  shown(new Schedule(written).adjust(at(due)));

describe('windows', () => {
  const berlin = { dow: 'Mon,Tue, fri', tz: 'Europe/Berlin', start: '09:00:00', end: '17:00:00' };

  // 2026-11-23 is a Monday; Berlin is at +1 in winter.
  test.each([
    ['2026-11-23T09:30:00Z', '2026-11-23T09:30:00Z'],
    ['2026-11-23T08:00:00Z', '2026-11-23T08:00:00Z'],
    ['2026-11-23T16:00:00Z', '2026-11-23T16:00:00Z'],
    ['2026-11-23T07:59:59Z', '2026-11-23T08:00:00Z'],
    ['2026-11-23T16:00:01Z', '2026-11-24T08:00:00Z'],
    ['2026-11-24T20:00:00Z', '2026-11-27T08:00:00Z'],
    ['2026-11-27T16:30:00Z', '2026-11-30T08:00:00Z'],
    // 23:30 UTC on Sunday is already Monday in Berlin.
    ['2026-11-22T23:30:00Z', '2026-11-23T08:00:00Z'],
    // Clocks go forward on 2026-03-29: from the Friday to the Monday after.
    ['2026-03-27T16:30:00Z', '2026-03-30T07:00:00Z'],
  ])('%s becomes %s', (due, expected) => {
    expect(next(berlin, due)).toBe(expected);
  });

  test('days may be a list and have long names; one day a week is enough', () => {
    const monday = { dow: ['Monday'] as unknown as string, tz: 'UTC', start: '00:00:00', end: '00:00:00' };
    expect(next(monday, '2026-11-23T00:00:01Z')).toBe('2026-11-30T00:00:00Z');
    expect(next(monday, '2026-11-23T00:00:00Z')).toBe('2026-11-23T00:00:00Z');
  });

  test('a window inside the hour that clocks skip is passed over', () => {
    const skipped = { dow: 'Sun', tz: 'Europe/Berlin', start: '02:15:00', end: '02:45:00' };
    expect(next(skipped, '2026-03-28T12:00:00Z')).toBe('2026-04-05T00:15:00Z');
  });

  test('first_attempt comes first, then the window', () => {
    expect(next({ first_attempt: '2026-11-25T00:00:00+01:00' }, '2026-11-23T00:00:00Z')).toBe(
      '2026-11-24T23:00:00Z',
    );
    expect(next({ ...berlin, first_attempt: '2026-11-25T00:00:00Z' }, '2026-11-23T09:00:00Z')).toBe(
      '2026-11-27T08:00:00Z',
    );
    expect(next({ first_attempt: '2020-01-01T00:00:00Z' }, '2026-11-23T00:00:00Z')).toBe(
      '2026-11-23T00:00:00Z',
    );
  });

  test('any moment is moved to one that is allowed, and not back', () => {
    const zones = fc.constantFrom(
      'UTC',
      'Europe/Berlin',
      'America/New_York',
      'Asia/Kathmandu',
      'Pacific/Apia',
      'Australia/Lord_Howe',
    );
    const clock = fc
      .integer({ min: 0, max: 23 * 3600 })
      .map((s) => new Date(s * 1000).toISOString().slice(11, 19));
    const days = fc.subarray(['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'], { minLength: 1 });
    const moment = fc.integer({ min: at('2011-12-20T00:00:00Z'), max: at('2030-01-01T00:00:00Z') });
    fc.assert(
      fc.property(zones, clock, days, moment, (tz, start, chosen, due) => {
        const schedule = new Schedule({ dow: chosen, tz, start, end: '23:59:59' });
        const moved = schedule.adjust(due);
        expect(moved).toBeGreaterThanOrEqual(due);
        const { weekday, second } = localTime(tz, moved);
        expect(chosen).toContain(['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'][weekday]);
        expect(new Date(second * 1000).toISOString().slice(11, 19) >= start).toBe(true);
        expect(schedule.adjust(moved)).toBe(moved);
      }),
    );
  });
});

test('local times that come twice mean the first, those that never come the moment after', () => {
  expect(shown(utcOf('Europe/Berlin', 2026, 10, 25, 2.5 * 3600))).toBe('2026-10-25T00:30:00Z');
  expect(shown(utcOf('Europe/Berlin', 2026, 3, 29, 2.5 * 3600))).toBe('2026-03-29T01:30:00Z');
  expect(shown(utcOf('America/New_York', 2026, 11, 1, 1.5 * 3600))).toBe('2026-11-01T05:30:00Z');
});

test.each([
  [{ dow: 'Mon' }, 'together'],
  [{ dow: 'Mon', tz: 'UTC', start: '10:00:00' }, 'together'],
  [{ dow: 'Mon', tz: 'UTC', start: '10:00:00', end: '09:00:00' }, 'start is after end'],
  [{ dow: 'Moon', tz: 'UTC', start: '10:00:00', end: '11:00:00' }, "'Moon' is no day"],
  [{ dow: '', tz: 'UTC', start: '10:00:00', end: '11:00:00' }, 'days such as'],
  [{ dow: 'Mon', tz: 'Mars/Olympus', start: '10:00:00', end: '11:00:00' }, 'no time zone'],
  [{ dow: 'Mon', tz: '+01:00', start: '10:00:00', end: '11:00:00' }, 'no time zone'],
  [{ dow: 'Mon', tz: 'UTC', start: '24:00:00', end: '24:00:00' }, 'no time such as'],
  [{ expires: 'tomorrow' }, 'no time such as'],
  [{ expire: '2026-01-01T00:00:00Z' }, 'did you mean `expires`'],
])('%j is refused', (written, text) => {
  expect(() => new Schedule(written as Record<string, string>)).toThrow(PolicyValueError);
  expect(() => new Schedule(written as Record<string, string>)).toThrow(text);
});
