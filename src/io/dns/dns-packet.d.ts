/** The part of dns-packet that is used here; the package has no types of its own. */
declare module 'dns-packet' {
  export interface Question {
    type: string;
    class: string;
    name: string;
  }

  export interface ResourceRecord {
    name: string;
    type: string;
    class?: string;
    ttl?: number;
    /** A, AAAA, CNAME, PTR, NS: string; TXT: Buffer[]; MX, SOA, TLSA: object. */
    data?: unknown;
    udpPayloadSize?: number;
    flags?: number;
  }

  export interface Packet {
    id: number;
    type: 'query' | 'response';
    flags: number;
    flag_tc: boolean;
    flag_ad: boolean;
    rcode: string;
    questions: Question[];
    answers: ResourceRecord[];
    authorities: ResourceRecord[];
    additionals: ResourceRecord[];
  }

  export const TRUNCATED_RESPONSE: number;
  export const RECURSION_DESIRED: number;
  export const RECURSION_AVAILABLE: number;
  export const AUTHENTIC_DATA: number;

  export function encode(packet: Partial<Packet>): Buffer;
  export function decode(bytes: Buffer): Packet;
}
