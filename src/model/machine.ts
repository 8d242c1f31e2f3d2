/** The machine that a node runs on, and the node (operations.md 5.11). */
export interface MachineDescription {
  node_id: string;
  hostname: string;
  /** Of the first network interface that is no loopback. */
  mac_address: string;
  num_cores: number;
  kernel_version?: string;
  platform: string;
  distribution: string;
  os_version: string;
  total_memory_bytes: number;
  /** Such as docker; absent outside of containers. */
  container_runtime?: string;
  cpu_brand: string;
  /** The same as long as the machine stays the same; what it is made of cannot be read from it. */
  fingerprint: string;
  /** When the process started, RFC 3339. */
  online_since: string;
  process_kind: 'kumod';
  version: string;
}
