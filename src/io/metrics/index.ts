export { formatJson, formatPrometheus } from './format.ts';
export { MeteredLog } from './metered-log.ts';
export {
  HistogramSeries,
  mergeSnapshots,
  Registry,
  type RegistrySnapshot,
  Series,
  type SeriesSnapshot,
} from './registry.ts';
