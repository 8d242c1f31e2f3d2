export { ConfiguredMtaSts } from './configured.ts';
export { type FetchOptions, fetchPolicyOverHttps } from './https-fetch.ts';
export { CachedMtaSts, FETCH_TIMEOUT, type FetchPolicy, type MtaStsParts } from './policy-cache.ts';
export { type KeptPolicy, PolicyFiles, type PolicyStore } from './policy-file.ts';
