import type {
  FunctionDeclaration,
  Kind,
  ModuleDeclaration,
  ObjectDeclaration,
  RichKind,
} from '../../model/define/index.ts';
import { luaLiteral, markdownTable } from './markdown.ts';

interface Page {
  name: string;
  title: string;
  text: string;
}

export function modulePage(module: ModuleDeclaration): Page {
  const values = Object.entries(module.values ?? {}).map(
    ([name, value]) => `## ${module.name}.${name}\n\nThe ${typeof value} \`${String(value)}\`.`,
  );
  const functions = module.functions.map((declaration) => functionText(declaration, `${module.name}.`));
  return {
    name: module.name,
    title: `Module ${module.name}`,
    text: [module.doc, ...values, ...functions].join('\n\n'),
  };
}

export function objectPage(object: ObjectDeclaration): Page {
  const parts = [object.doc];
  if (object.fields !== undefined) {
    const rows = object.fields.map(({ name, luaType, doc }) => [`\`${name}\``, `\`${luaType}\``, doc]);
    parts.push(markdownTable(['Field', 'Type', 'Meaning'], rows));
  }
  parts.push(...object.methods.map((method) => functionText(method, `${object.name}:`)));
  return { name: `object-${object.name}`, title: `Object ${object.name}`, text: parts.join('\n\n') };
}

function functionText(declaration: FunctionDeclaration, owner: string): string {
  const { name, params, rest, returns, doc, since } = declaration;
  const shown = params.map((param) => (param.kind.optional ? `[${param.name}]` : param.name));
  if (rest !== undefined) shown.push('...');
  const result = returns === '' ? '' : ` -> ${returns}`;
  const parts = [`## ${owner}${name}`, `\`${owner}${name}(${shown.join(', ')})${result}\``, doc];
  if (params.length > 0) {
    const rows = params.map(({ name: param, kind }) => [
      `\`${param}\``,
      kindText(kind),
      kind.optional ? (kind.default === undefined ? 'nil' : `\`${luaLiteral(kind.default)}\``) : 'required',
    ]);
    parts.push(markdownTable(['Argument', 'Kind', 'Default'], rows));
  }
  parts.push(`Since ${since}.`);
  return parts.join('\n\n');
}

/** Tables of options lead to their page. */
function kindText(kind: Kind<unknown>): string {
  const { name, optionsOf } = kind as RichKind<unknown>;
  return optionsOf === undefined ? name : `[${name}](options-${optionsOf}.md)`;
}
