import { placeOf, type Setting, sectionText } from './settings.ts';

/** Where an option of a path was said. */
export interface Origin {
  readonly kind: 'file' | 'default' | 'provider' | 'automation';
  /** The heading of its table. */
  readonly section: string;
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly provider?: string;
}

/** Looks the line up, which may parse the file. */
export function originOf(setting: Setting): Origin {
  const { section } = setting;
  const kind = section.kind === 'domain' ? 'file' : section.kind;
  return {
    kind: section.file.isRemote ? 'automation' : kind,
    section: sectionText(section),
    file: section.file.name,
    ...section.file.locate(placeOf(setting).path),
    ...(section.kind === 'provider' && { provider: section.name }),
  };
}
