import type { OptionsDeclaration } from '../../model/define/index.ts';
import { luaLiteral, markdownTable } from './markdown.ts';

/** The page of one table of options and of those nested in it. */
export function optionsPage(
  top: OptionsDeclaration<unknown>,
  nested: readonly OptionsDeclaration<unknown>[],
): { name: string; title: string; text: string } {
  const inner = nested.map(
    (declaration) => `## ${declaration.owner}\n\n${declaration.doc}\n\n${optionTable(declaration)}`,
  );
  const note =
    'An option without effect is checked and otherwise ignored in this release. ' +
    'An unknown option is an error that names the nearest known one.';
  return {
    name: `options-${top.owner}`,
    title: `Options of kumo.${top.owner}`,
    text: [top.doc, note, optionTable(top), ...inner].join('\n\n'),
  };
}

function optionTable(declaration: OptionsDeclaration<unknown>): string {
  const rows = Object.entries(declaration.fields).map(([name, option]) => [
    `\`${name}\``,
    option.kind.name,
    option.required ? 'required' : option.default === undefined ? '' : `\`${luaLiteral(option.default)}\``,
    option.doc,
    option.effect === 'now' ? 'yes' : 'later',
    option.extension ? `${option.since}, of Moonpost only` : option.since,
  ]);
  return markdownTable(['Option', 'Kind', 'Default', 'Meaning', 'Effect', 'Since'], rows);
}
