import { readFileSync, statSync } from 'node:fs';
import type { Clock } from '../../model/index.ts';
import { parseIp } from '../../protocol/ip/index.ts';
import { reverseName } from './name.ts';

/** ms between looks at whether the file has changed. */
const RECHECK = 5000;

/** Names and addresses of /etc/hosts, read again when the file changes. */
export class HostsFile {
  readonly #path: string;
  readonly #clock: Clock;
  #names = new Map<string, string[]>();
  #reverse = new Map<string, string[]>();
  #version = '';
  #checked = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, path = '/etc/hosts') {
    this.#clock = clock;
    this.#path = path;
  }

  /** Addresses of both families; undefined for a name that is not listed. */
  addresses(name: string): string[] | undefined {
    this.#refresh();
    const listed = this.#names.get(name);
    if (listed !== undefined) return listed;
    // RFC 6761 §6.3: localhost and what is below it never leave the machine.
    return name === 'localhost' || name.endsWith('.localhost') ? ['127.0.0.1', '::1'] : undefined;
  }

  /** Names at a name below in-addr.arpa or ip6.arpa. */
  namesAt(reverse: string): string[] | undefined {
    this.#refresh();
    return this.#reverse.get(reverse);
  }

  #refresh(): void {
    const now = this.#clock.monotonic();
    if (now - this.#checked < RECHECK) return;
    this.#checked = now;
    try {
      const { mtimeMs, size, ino } = statSync(this.#path);
      const version = `${mtimeMs} ${size} ${ino}`;
      if (version === this.#version) return;
      this.#version = version;
      this.#read(readFileSync(this.#path, 'utf8'));
    } catch {
      // Machines without the file resolve the rest by DNS.
      this.#names.clear();
      this.#reverse.clear();
      this.#version = '';
    }
  }

  #read(text: string): void {
    this.#names = new Map();
    this.#reverse = new Map();
    for (const line of text.split('\n')) {
      const [address, ...names] = line.replace(/#.*/, '').trim().toLowerCase().split(/\s+/);
      if (address === undefined || parseIp(address) === undefined || names.length === 0) continue;
      for (const name of names) append(this.#names, name, address);
      append(this.#reverse, reverseName(address), names[0]!);
    }
  }
}

function append(map: Map<string, string[]>, key: string, value: string): void {
  const values = map.get(key);
  if (values === undefined) map.set(key, [value]);
  else if (!values.includes(value)) values.push(value);
}
