import { spawnSync } from 'node:child_process';
import { Command } from 'commander';
import { expect, test } from 'vitest';
import { completionScript, completionsOf } from '../../src/cli/completion.ts';

const program = new Command('moonpost').option('--endpoint <url>');
program.addCommand(new Command('policy').addCommand(new Command('status').option('--json')));
program.addCommand(new Command('bounce').option('--routing-domain <name>').option('--reason <text>'));
const script = completionScript('bash', completionsOf(program));

/** What bash would offer for the last of these words. */
function offered(...words: string[]): string[] {
  const ask = `${script}\nCOMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _moonpost; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr } = spawnSync('bash', ['--norc', '-c', ask, 'bash', 'moonpost', ...words], {
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  return stdout.split('\n').filter((line) => line !== '');
}

test('bash completes commands, commands below commands, and their options', () => {
  expect(offered('b')).toEqual(['bounce']);
  expect(offered('policy', 'st')).toEqual(['status']);
  expect(offered('policy', 'status', '--')).toEqual(['--json', '--help']);
  expect(offered('--endpoint', 'http://x', 'bounce', '--ro')).toEqual(['--routing-domain']);
  expect(offered('bounce', '--reason', 'x', '--re')).toEqual(['--reason']);
});
