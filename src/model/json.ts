export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };
/** What never waits comes back at once; what waits comes back as a promise. */
export type MaybePromise<T> = T | Promise<T>;
