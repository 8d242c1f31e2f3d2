import { HISTOGRAM_BUCKETS, logFields, metrics, RECORD_TYPES, recordTypeDocs } from '../../model/index.ts';
import { markdownTable } from './markdown.ts';

export function logRecordsPage(): { name: string; title: string; text: string } {
  const types = RECORD_TYPES.map((type) => [`\`${type}\``, recordTypeDocs[type]]);
  const fields = logFields.map(({ name, type, doc }) => [`\`${name}\``, type, doc]);
  return {
    name: 'log-records',
    title: 'Log records',
    text: [
      'One JSON object per line, in files that `kumo.configure_local_logs` describes.',
      '## Types',
      markdownTable(['Type', 'Written when'], types),
      '## Fields',
      'In this order.',
      markdownTable(['Field', 'Type', 'Meaning'], fields),
    ].join('\n\n'),
  };
}

export function metricsPage(): { name: string; title: string; text: string } {
  const rows = metrics.map(({ name, type, labels, help }) => [
    `\`${name}\``,
    type,
    labels.map((label) => `\`${label}\``).join(', '),
    help,
  ]);
  return {
    name: 'metrics',
    title: 'Metrics',
    text: [
      'At `/metrics` as text for Prometheus, at `/metrics.json` as JSON. A metric that nothing sets has no samples.',
      `Histograms have buckets up to ${HISTOGRAM_BUCKETS.join(', ')} seconds.`,
      markdownTable(['Metric', 'Type', 'Labels', 'Meaning'], rows),
    ].join('\n\n'),
  };
}
