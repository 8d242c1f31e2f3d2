export { HistogramSeries, Registry, Series } from '../../model/index.ts';
export { type Family, gauges, registryFamilies, valueFamily } from './family.ts';
export { JsonFormat, type MetricsFormat, type MetricsRequest, TextFormat } from './format.ts';
export { MeasuredSpool } from './measured-spool.ts';
export { MeteredLog } from './metered-log.ts';
export {
  type DealRequest,
  type MetricsOverview,
  MetricsPages,
  type PartsRequest,
  type SeriesPage,
} from './pages.ts';
export { type MetricsSource, scrape } from './scrape.ts';
