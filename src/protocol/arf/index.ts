export * from './feedback-report.ts';
