import { type Difference, differences } from '../../model/index.ts';
import { markdownTable } from './markdown.ts';

export function differencesPage(): { name: string; title: string; text: string } {
  const section = (title: string, status: Difference['status']) => {
    const rows = differences
      .filter((row) => row.status === status)
      .map(({ kind, name, reason }) => [kind, name, reason]);
    return `## ${title}\n\n${markdownTable(['Kind', 'Name', 'Reason'], rows)}`;
  };
  return {
    name: 'differences',
    title: 'Differences from KumoMTA',
    text: [
      'A policy written for KumoMTA works here unchanged, but for these rows.',
      section('Decided', 'decided'),
      section('Only in Moonpost', 'extension'),
      section('Planned', 'planned'),
    ].join('\n\n'),
  };
}
