import { partialTable } from '../../model/define/index.ts';
import { esmtpOverrideOptions, type ListenerOverrides } from '../../model/options/index.ts';
import { CidrSet, parseCidr } from '../../protocol/ip/index.ts';
import type { SmtpServerOptions } from './parameters.ts';

type Overrides = Record<string, unknown>;

/** Where a connection comes from and where to: bare addresses. */
export interface SessionAddresses {
  peer: string;
  local: string;
}

/**
 * The options of one session (policy-api.md 6.1): those of the listener, then its `peer` block that has the client,
 * then its `via` block that has the local address, each with the blocks in it, then what policy gave the same way.
 * Values replace, `meta` merges. Of several blocks that fit, the narrowest is taken.
 */
export function sessionOptions(
  listener: SmtpServerOptions,
  addresses: SessionAddresses,
  dynamic: Overrides | undefined,
): SmtpServerOptions {
  if (listener.peer === undefined && listener.via === undefined && dynamic === undefined) return listener;
  const result = { ...listener, meta: { ...listener.meta } };
  applyBlocks(result, listener, addresses);
  if (dynamic !== undefined) applyLayer(result, dynamic, addresses);
  return result;
}

const dynamicTable = partialTable('kumo.EsmtpListenerOverrides', () => esmtpOverrideOptions);

/** What smtp_server_get_dynamic_parameters returned. Throws PolicyValueError for what is no table of such options. */
export function parseDynamicParameters(value: unknown): Overrides {
  return dynamicTable.parse(value, 'smtp_server_get_dynamic_parameters', true);
}

function applyLayer(result: SmtpServerOptions, layer: Overrides, addresses: SessionAddresses): void {
  const { meta, peer: _peer, via: _via, ...values } = layer;
  Object.assign(result, values);
  Object.assign(result.meta, meta);
  applyBlocks(result, layer, addresses);
}

function applyBlocks(
  result: SmtpServerOptions,
  layer: { peer?: ListenerOverrides | undefined; via?: ListenerOverrides | undefined },
  addresses: SessionAddresses,
): void {
  const ofPeer = narrowest(layer.peer, addresses.peer);
  if (ofPeer !== undefined) applyLayer(result, ofPeer, addresses);
  const ofLocal = narrowest(layer.via, addresses.local);
  if (ofLocal !== undefined) applyLayer(result, ofLocal, addresses);
}

interface Block {
  prefix: number;
  set: CidrSet;
  overrides: Overrides;
}

const SORTED = new WeakMap<ListenerOverrides, Block[]>();

function narrowest(blocks: ListenerOverrides | undefined, address: string): Overrides | undefined {
  if (blocks === undefined) return undefined;
  let sorted = SORTED.get(blocks);
  if (sorted === undefined) {
    sorted = Object.entries(blocks)
      .map(([text, overrides]) => ({ prefix: parseCidr(text).prefix, set: new CidrSet([text]), overrides }))
      .sort((a, b) => b.prefix - a.prefix);
    SORTED.set(blocks, sorted);
  }
  return sorted.find(({ set }) => set.has(address))?.overrides;
}

const SETS = new WeakMap<readonly string[], CidrSet>();

/** Whether a client at this bare address is in `relay_hosts`. */
export function isRelayHost(options: SmtpServerOptions, address: string): boolean {
  let set = SETS.get(options.relay_hosts);
  if (set === undefined) {
    set = new CidrSet(options.relay_hosts);
    SETS.set(options.relay_hosts, set);
  }
  return set.has(address);
}
