import { readFileSync } from 'node:fs';

export interface NameServer {
  address: string;
  port: number;
  protocol: 'udp_then_tcp' | 'udp' | 'tcp';
  /** False: "no such name" of this server is not final, the next one is asked. */
  trustNegative: boolean;
  bindAddress: string | undefined;
  /** On this machine, so that the way to it needs no trust. */
  loopback: boolean;
}

/** What /etc/resolv.conf says (resolv.conf(5)). */
export interface SystemDns {
  nameServers: NameServer[];
  search: string[];
  /** Milliseconds. */
  timeout: number;
  attempts: number;
  trustAd: boolean;
}

export function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}

/** Parses the text of a resolv.conf. Lines that make no sense are skipped, as the C library does. */
export function parseResolvConf(text: string): SystemDns {
  const system: SystemDns = { nameServers: [], search: [], timeout: 5000, attempts: 2, trustAd: false };
  for (const line of text.split('\n')) {
    const [keyword, ...words] = line
      .replace(/[#;].*/, '')
      .trim()
      .split(/\s+/);
    if (keyword === 'nameserver' && words[0] !== undefined) system.nameServers.push(udpServer(words[0]));
    if (keyword === 'search' || keyword === 'domain') system.search = words;
    if (keyword === 'options') for (const option of words) applyOption(system, option);
  }
  // resolv.conf(5): without a nameserver line, the one on the local machine.
  if (system.nameServers.length === 0) system.nameServers.push(udpServer('127.0.0.1'));
  return system;
}

/** The settings of the machine; the defaults when the file cannot be read. */
export function readResolvConf(path = '/etc/resolv.conf'): SystemDns {
  let text = '';
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    // No file means the same as an empty one.
  }
  return parseResolvConf(text);
}

function udpServer(address: string): NameServer {
  return {
    address,
    port: 53,
    protocol: 'udp_then_tcp',
    trustNegative: true,
    bindAddress: undefined,
    loopback: isLoopback(address),
  };
}

function applyOption(system: SystemDns, option: string): void {
  const [name, value] = option.split(':');
  const number = Number(value);
  // The limits of resolv.conf(5).
  if (name === 'timeout' && number > 0) system.timeout = Math.min(number, 30) * 1000;
  if (name === 'attempts' && number > 0) system.attempts = Math.min(number, 5);
  if (name === 'trust-ad') system.trustAd = true;
}
