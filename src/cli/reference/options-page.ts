import type { OptionsDeclaration } from '../../model/define/index.ts';
import { luaLiteral, markdownTable } from './markdown.ts';

/** The page of one table of options and of those nested in it. */
export function optionsPage(
  top: OptionsDeclaration<unknown>,
  nested: readonly OptionsDeclaration<unknown>[],
): { name: string; title: string; text: string } {
  const all = [top, ...nested];
  const inner = nested.map(
    (declaration) =>
      `## ${declaration.owner}\n\n${declaration.doc}\n\n${optionTable(declaration, isLater(declaration, all))}`,
  );
  const note =
    'An option without effect is checked and otherwise ignored in this release. ' +
    'An unknown option is an error that names the nearest known one.';
  return {
    name: `options-${top.owner}`,
    title: `Options of kumo.${top.owner}`,
    text: [top.doc, note, optionTable(top, false), ...inner].join('\n\n'),
  };
}

/** Whether the option that holds the nested table has no effect yet; then nothing in it has. */
function isLater(nested: OptionsDeclaration<unknown>, all: readonly OptionsDeclaration<unknown>[]): boolean {
  const dot = nested.owner.lastIndexOf('.');
  const holder = all.find(({ owner }) => owner === nested.owner.slice(0, dot));
  return holder?.fields[nested.owner.slice(dot + 1)]?.effect === 'later';
}

function optionTable(declaration: OptionsDeclaration<unknown>, allLater: boolean): string {
  const rows = Object.entries(declaration.fields).map(([name, option]) => [
    `\`${name}\``,
    option.kind.name,
    option.required ? 'required' : option.default === undefined ? '' : `\`${luaLiteral(option.default)}\``,
    option.doc,
    option.effect === 'now' && !allLater ? 'yes' : 'later',
    option.extension ? `${option.since}, of Moonpost only` : option.since,
  ]);
  return markdownTable(['Option', 'Kind', 'Default', 'Meaning', 'Effect', 'Since'], rows);
}
