/** Of a path that decisions look at. */
const MOST_BYTES = 256;
const MOST_COMPONENTS = 10;

/** What somebody wants to get at, and where rules about it may stand, the nearest first. */
export class AccessResource {
  readonly name: string;
  readonly chain: readonly string[];

  constructor(chain: readonly string[]) {
    this.name = chain[0]!;
    this.chain = chain;
  }
}

/**
 * A path, or the path of a URL, on the HTTP listener `IP:PORT`. Rules of the listener come before those of all
 * listeners.
 */
export function httpResource(listener: string, url: string): AccessResource {
  const path = pathOf(url);
  const parts = cut(path)
    .split('/')
    .filter((part) => part !== '')
    .slice(0, MOST_COMPONENTS);
  const paths = parts.map((_, index) => parts.slice(0, parts.length - index).join('/'));
  return new AccessResource([
    ...paths.map((one) => `http_listener/${listener}/${one}`),
    `http_listener/${listener}`,
    ...paths.map((one) => `http_listener/*/${one}`),
    'http_listener',
  ]);
}

/** A resource by its name: those of the HTTP listener as above, others with what is above them. */
export function resourceNamed(name: string): AccessResource {
  const http = /^http_listener\/([^/]+)(\/.*)?$/.exec(name);
  if (http !== null && http[1] !== '*') return httpResource(http[1]!, http[2] ?? '/');
  const parts = cut(name).split('/').slice(0, MOST_COMPONENTS);
  return new AccessResource(parts.map((_, index) => parts.slice(0, parts.length - index).join('/')));
}

function pathOf(url: string): string {
  const path = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*(.*)$/i.exec(url)?.[1] ?? url;
  return path.split(/[?#]/, 1)[0]!;
}

/** No more than the bytes that count, and no part of a character. */
function cut(text: string): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= MOST_BYTES) return text;
  return bytes
    .subarray(0, MOST_BYTES)
    .toString()
    .replace(/\uFFFD$/, '');
}
