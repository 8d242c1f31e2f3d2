import { helpersDirectory, readWholeFile } from '../../io/files/index.ts';
import { sharedFile } from '../../lua/index.ts';
import {
  checkOption,
  defineFunction,
  list,
  map,
  nearestName,
  type OptionsDeclaration,
  Several,
  string,
  type UnnamedFunction,
  unchecked,
} from '../../model/define/index.ts';
import { withoutComments } from '../../model/index.ts';
import { declaredOptions } from '../../model/options/index.ts';
import {
  type DataPath,
  type DataPositions,
  positionsInJson,
  positionsInToml,
} from '../../model/texts/index.ts';

/** What helpers that read data files need to say where a mistake is, and what was meant: parts of kumo.policy. */

function declarationOf(maker: string): OptionsDeclaration<unknown> {
  const found = declaredOptions.find(({ owner }) => owner === maker);
  if (found !== undefined) return found;
  const near = nearestName(
    maker,
    declaredOptions.map(({ owner }) => owner),
  );
  throw new Error(
    `there are no options of '${maker}'${near === undefined ? '' : `; did you mean '${near}'?`}`,
  );
}

/** Lua counts entries of lists from 1. */
function dataPath(path: readonly unknown[]): DataPath {
  return path.map((part) => (typeof part === 'number' ? part - 1 : String(part)));
}

/** Of the text that was asked about last: who asks about one value of a file asks about more of them. */
let latest: { text: string; isToml: boolean; positions: DataPositions } | undefined;

function positionsIn(text: string, isToml: boolean): DataPositions {
  if (latest?.text !== text || latest.isToml !== isToml) {
    latest = {
      text,
      isToml,
      positions: isToml ? positionsInToml(text) : positionsInJson(withoutComments(text)),
    };
  }
  return latest.positions;
}

async function placeIn(path: string, at: DataPath) {
  const text = (await readWholeFile(sharedFile(path, helpersDirectory()))).toString();
  return positionsIn(text, path.endsWith('.toml')).near(at);
}

export const policyDataFunctions = {
  check_option: defineFunction({
    params: { maker: string(), name: string(), value: unchecked() },
    returns: "{reason: 'unknown'|'invalid', message: string, nearest: string?}?",
    doc:
      'What would be wrong with an option in the table of options of a function such as `make_queue_config`: nil when ' +
      'it is fine.',
    call: ({ maker, name, value }) => checkOption(declarationOf(maker), name, value),
  }),
  check_options: defineFunction({
    params: { maker: string(), options: map(unchecked()) },
    returns: "{name: string, reason: 'unknown'|'invalid', message: string, nearest: string?}[]",
    doc: 'The same for many options at once: an entry for each that is not fine.',
    call: ({ maker, options }) => {
      const declaration = declarationOf(maker);
      return Object.entries(options).flatMap(([name, value]) => {
        const wrong = checkOption(declaration, name, value);
        return wrong === undefined ? [] : [{ name, ...wrong }];
      });
    },
  }),
  option_names: defineFunction({
    params: { maker: string() },
    returns: 'string[]',
    doc: 'Names of the options of a function such as `make_queue_config`.',
    call: ({ maker }) => Object.keys(declarationOf(maker).fields),
  }),
  nearest_name: defineFunction({
    params: { name: string(), names: list(string()) },
    returns: 'string?',
    doc: 'The one of the names that was probably meant; nil when none is near.',
    call: ({ name, names }) => nearestName(name, names),
  }),
  locate: defineFunction({
    params: { file: string(), path: list(unchecked()) },
    returns: 'integer? line, integer? column',
    doc:
      'Where a value stands in a TOML or JSON file (by the end of its name): line and column of its key, or of the ' +
      'innermost table around it that is there; nil without one. The path is a list of keys; places in lists count from 1.',
    call: async ({ file, path }) => {
      const place = await placeIn(file, dataPath(path));
      return place === undefined ? undefined : new Several([place.line, place.column]);
    },
  }),
} satisfies Record<string, UnnamedFunction>;
