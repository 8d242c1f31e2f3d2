import { Argument, Command } from 'commander';
import { print } from './output.ts';

const SHELLS = ['bash', 'zsh'] as const;
type Shell = (typeof SHELLS)[number];

/** What can follow the words that name a command. */
export interface Completion {
  /** Names of commands from the top, such as `policy status`; empty for the program. */
  path: string;
  words: string[];
}

/** `moonpost completion bash|zsh` */
export function completionCommand(): Command {
  return new Command('completion')
    .description('a script that completes commands and options: source <(moonpost completion bash)')
    .addArgument(new Argument('<shell>').choices(SHELLS))
    .action((shell: Shell, _: unknown, self: Command) =>
      print(completionScript(shell, completionsOf(self.parent!))),
    );
}

/** The names and options of a command and of all commands below it. */
export function completionsOf(command: Command, path = ''): Completion[] {
  const options = command.options.flatMap(({ long, short }) => long ?? short ?? []);
  const names = command.commands.map((one) => one.name());
  const below = command.commands.flatMap((one) => completionsOf(one, `${path} ${one.name()}`.trim()));
  return [{ path, words: [...names, ...options, '--help'] }, ...below];
}

/** A script for the shell. In zsh it runs by its own emulation of bash. */
export function completionScript(shell: Shell, completions: readonly Completion[]): string {
  const cases = completions
    .filter(({ path }) => path !== '')
    .map(({ path, words }) => `    '${path}') words='${words.join(' ')}' ;;`);
  const paths = completions.map(({ path }) => `'${path}'`).join('|');
  const start =
    shell === 'zsh'
      ? 'autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit\n'
      : '';
  return `${start}_moonpost() {
  local word path='' words='${completions[0]!.words.join(' ')}' index
  for ((index = 1; index < COMP_CWORD; index++)); do
    word="\${path:+$path }\${COMP_WORDS[index]}"
    case "$word" in
      ${paths}) path="$word" ;;
    esac
  done
  case "$path" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
  # Most arguments that are no option are files.
  [ \${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -F _moonpost moonpost
`;
}
