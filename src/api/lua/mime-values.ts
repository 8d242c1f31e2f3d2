import { PolicyValueError } from '../../model/define/index.ts';
import {
  type Address,
  checkedLine,
  type HeaderLine,
  type HeaderStructure,
  type Mailbox,
  type MimeParameters,
  structuredLine,
} from '../../protocol/mime/index.ts';

/** Structured headers as tables of Lua (policy-api.md 4.5, Shapes); `at` names what was given in errors. */

type Table = Record<string, unknown>;

function isTable(value: unknown): value is Table {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const prototype = Object.getPrototypeOf(value) as object | null;
  return prototype === null || prototype === Object.prototype;
}

function text(value: unknown, at: string): string {
  if (typeof value === 'string') return value;
  throw new PolicyValueError(`${at}: expected text in UTF-8`);
}

function mailbox(value: unknown, at: string): Mailbox {
  if (!isTable(value) || !isTable(value.address)) {
    throw new PolicyValueError(`${at}: expected {name, address = {local_part, domain}}`);
  }
  const { name, address } = value;
  return {
    name: name === undefined || name === null ? null : text(name, `${at}.name`),
    address: {
      local_part: text(address.local_part, `${at}.address.local_part`),
      domain: domain(address.domain, `${at}.address.domain`),
    },
  };
}

function domain(value: unknown, at: string): string {
  const given = text(value, at);
  if (/^(?:\[[^\s[\]<>]+\]|[^\s<>()[\]@,;:"\\]+)$/.test(given)) return given;
  throw new PolicyValueError(`${at}: '${given}' is no domain`);
}

function address(value: unknown, at: string): Address {
  if (!isTable(value) || value.entries === undefined) return mailbox(value, at);
  return { name: text(value.name, `${at}.name`), entries: listOf(value.entries, mailbox, `${at}.entries`) };
}

function listOf<T>(value: unknown, read: (value: unknown, at: string) => T, at: string): T[] {
  if (Array.isArray(value)) return value.map((entry, index) => read(entry, `${at}[${index + 1}]`));
  if (isTable(value) && Object.keys(value).length === 0) return [];
  throw new PolicyValueError(`${at}: expected a list`);
}

function messageId(value: unknown, at: string): string {
  const id = text(value, at).replace(/^<|>$/g, '');
  if (/^[^\s<>]+$/.test(id)) return id;
  throw new PolicyValueError(`${at}: '${id}' is no message id`);
}

function mimeParameters(value: unknown, at: string): MimeParameters {
  if (!isTable(value)) throw new PolicyValueError(`${at}: expected {value, parameters}`);
  const parameters = isTable(value.parameters) ? Object.entries(value.parameters) : [];
  return {
    value: text(value.value, `${at}.value`),
    parameters: new Map(parameters.map(([name, entry]) => [name, text(entry, `${at}.parameters.${name}`)])),
  };
}

/** The header line of a text, which is checked, or of a structure. Throws PolicyValueError and HeaderSyntaxError. */
export function lineOf(name: string, structure: HeaderStructure, value: unknown): HeaderLine {
  const at = name.toLowerCase();
  if (typeof value === 'string') {
    // The getter gives an id without its angle brackets.
    const isBareId = structure === 'message_id' && !value.includes('<');
    return isBareId ? structuredLine(name, structure, messageId(value, at)) : checkedLine(name, value);
  }
  switch (structure) {
    case 'address_list':
      return structuredLine(
        name,
        structure,
        isTable(value) ? [address(value, at)] : listOf(value, address, at),
      );
    case 'mailbox_list':
      return structuredLine(
        name,
        structure,
        isTable(value) ? [mailbox(value, at)] : listOf(value, mailbox, at),
      );
    case 'mailbox':
      return structuredLine(name, structure, mailbox(value, at));
    case 'message_id':
      return structuredLine(name, structure, messageId(value, at));
    case 'message_id_list':
      return structuredLine(name, structure, listOf(value, messageId, at));
    case 'mime_params':
      return structuredLine(name, structure, mimeParameters(value, at));
    default:
      throw new PolicyValueError(`${at}: expected text`);
  }
}
