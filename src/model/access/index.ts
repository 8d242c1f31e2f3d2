export * from './access-control.ts';
export { AccessMap, builtInAccess, parseAccessFile } from './access-map.ts';
export { AccessControlList, type AccessRule, readAccessRules } from './access-rule.ts';
export * from './audit-record.ts';
export * from './auth-info.ts';
export * from './expiring-cache.ts';
export * from './resource.ts';
