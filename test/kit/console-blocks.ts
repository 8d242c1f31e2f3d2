/** A command that a page tells people to type. */
export interface ShellCommand {
  text: string;
  /** Line of the page, from 1. */
  line: number;
}

/** The lines after `$ ` in the `console` blocks of a Markdown page, in order. */
export function shellCommands(page: string): ShellCommand[] {
  const commands: ShellCommand[] = [];
  let inside = false;
  page.split('\n').forEach((text, index) => {
    if (/^```/.test(text)) inside = text === '```console';
    else if (inside && text.startsWith('$ ')) commands.push({ text: text.slice(2), line: index + 1 });
  });
  return commands;
}
