export * from './delivery-report.ts';
export * from './report-fields.ts';
export * from './status-notification.ts';
