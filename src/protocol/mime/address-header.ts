import { type Address, formatAddrSpec, isGroup, type Mailbox } from './address-list.ts';
import { HeaderSyntaxError } from './header-tokens.ts';

/** One address of a header, as policy reads it. */
export class HeaderAddress {
  /** Display name; null when there is none. */
  readonly name: string | null;
  /** Local part without quotes. */
  readonly user: string;
  readonly domain: string;
  /** Quoted where it needs to be. */
  readonly email: string;

  constructor({ name, address }: Mailbox) {
    this.name = name;
    this.user = address.local_part;
    this.domain = address.domain;
    this.email = formatAddrSpec(address);
  }

  toString(): string {
    return JSON.stringify({ name: this.name, address: this.email });
  }
}

/** The addresses of a header such as From or To. */
export class AddressHeader {
  readonly #name: string;
  readonly #addresses: readonly Address[];

  constructor(name: string, addresses: readonly Address[]) {
    this.#name = name;
    this.#addresses = addresses;
  }

  /** All addresses, those of groups among the others. */
  get list(): HeaderAddress[] {
    return this.#addresses
      .flatMap((address) => (isGroup(address) ? address.entries : [address]))
      .map((mailbox) => new HeaderAddress(mailbox));
  }

  /** The one address. Throws HeaderSyntaxError when there is none, several, or a group. */
  get single(): HeaderAddress {
    const [only] = this.#addresses;
    if (this.#addresses.length === 1 && !isGroup(only!)) return new HeaderAddress(only!);
    const what = this.#addresses.some(isGroup) ? 'a group' : `${this.#addresses.length} addresses`;
    throw new HeaderSyntaxError(`${this.#name} is not a simple address: it holds ${what}`);
  }

  /** JSON, groups with their entries. */
  toString(): string {
    return JSON.stringify(
      this.#addresses.map((address) =>
        isGroup(address) ? { name: address.name, entries: address.entries.map(plain) } : plain(address),
      ),
    );
  }
}

function plain({ name, address }: Mailbox): { name: string | null; address: string } {
  return { name, address: formatAddrSpec(address) };
}
