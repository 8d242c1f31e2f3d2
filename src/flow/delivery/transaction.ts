import { dotStuff, type EnvelopeAddress, type Reply } from '../../protocol/smtp/index.ts';
import type { Command, ConnectionFailure, SmtpConnection } from './connection.ts';
import { rcptLine } from './envelope-commands.ts';
import type { SmtpPathOptions } from './path-options.ts';
import { phases } from './phases.ts';

/** One MAIL … dot, for at most as many recipients as one batch may have. */
export interface TransactionRequest {
  connection: SmtpConnection;
  path: SmtpPathOptions;
  pipelining: boolean;
  withRset: boolean;
  mailLine: string;
  recipients: readonly EnvelopeAddress[];
  body: Buffer;
}

/**
 * What the server said. A recipient's reply is the one that decided about it: to MAIL, to its RCPT, to DATA, or to
 * the dot; undefined where the connection failed before there was one.
 */
export interface TransactionResult {
  /** By position in the request's recipients. */
  replies: (Reply | undefined)[];
  /** Positions whose reply answers their RCPT. */
  refusedAtRcpt: Set<number>;
  failure: ConnectionFailure | undefined;
  /** False when the connection failed before the server answered anything, or it answered RSET with 421. */
  answered: boolean;
}

/** Runs the transaction. A failure of the connection is part of the result. */
export async function transact(request: TransactionRequest): Promise<TransactionResult> {
  const { connection, path, withRset, recipients } = request;
  const commands = envelopeCommands(request);
  const first = withRset ? 1 : 0;
  const { replies: said, failure } = request.pipelining
    ? await connection.exchange(commands, [commands.map((command) => command.line).join('')])
    : await stepByStep(connection, commands, first);
  const result: TransactionResult = {
    replies: new Array<Reply | undefined>(recipients.length).fill(undefined),
    refusedAtRcpt: new Set(),
    failure,
    answered: said.length > 0 && !(withRset && said[0]!.code === 421),
  };
  const accepted = acceptedRecipients(said.slice(first), result);
  const data = said[first + 1 + recipients.length];
  if (data === undefined || failure !== undefined) return result;
  if (accepted.length === 0) {
    // RFC 2920 §3.1: DATA went out before the refusals were known; a lone dot ends what should not have begun.
    if (data.code === 354) await sendLoneDot(request, result);
    return result;
  }
  if (isPositive(data)) {
    // Neither a go-ahead nor a refusal: whatever the server means, nothing after it could be trusted.
    const text = `unexpected reply ${data.code} to DATA`;
    connection.abort(text);
    result.failure = { kind: 'closed', text };
    return result;
  }
  if (data.code !== 354) {
    for (const position of accepted) result.replies[position] = data;
    return result;
  }
  // RFC 2033 §4.2: LMTP answers the dot for each recipient that it took, in their order.
  const answers = path.use_lmtp ? accepted.length : 1;
  const last = await sendBody(request, dotStuff(request.body), result, answers);
  for (const [index, position] of accepted.entries()) {
    result.replies[position] = path.use_lmtp ? last[index] : last[0];
  }
  return result;
}

/** Sorts the replies to MAIL and RCPT; gives the positions of the recipients that the server takes. */
function acceptedRecipients(said: readonly Reply[], result: TransactionResult): number[] {
  const accepted: number[] = [];
  const mail = said[0];
  if (mail === undefined) return accepted;
  if (!isPositive(mail)) {
    result.replies.fill(mail);
    return accepted;
  }
  for (let position = 0; position < result.replies.length; position++) {
    const answer = said[1 + position];
    if (answer === undefined) break;
    if (isPositive(answer)) accepted.push(position);
    else {
      result.replies[position] = answer;
      result.refusedAtRcpt.add(position);
    }
  }
  return accepted;
}

async function sendLoneDot(request: TransactionRequest, result: TransactionResult): Promise<void> {
  if (!request.path.use_lmtp) {
    await sendBody(request, ['.\r\n'], result, 1);
    return;
  }
  // RFC 2033 §4.2 has no recipient to answer for, so nobody could tell whether a reply comes.
  const text = 'DATA was taken without a recipient';
  request.connection.abort(text);
  result.failure = { kind: 'closed', text };
}

/** Sends what follows a 354; gives the replies to the dot, fewer than `answers` when the connection fails. */
async function sendBody(
  { connection, path }: TransactionRequest,
  chunks: (Buffer | string)[],
  result: TransactionResult,
  answers: number,
): Promise<Reply[]> {
  // The transport does not tell when the body has left, so its time and that of the reply are one deadline.
  const timeout = path.data_timeout + path.data_dot_timeout;
  const first: Command = { line: '.\r\n', timeout, took: phases.dot };
  const further: Command = { line: '.\r\n', timeout: path.data_dot_timeout };
  const commands = [first, ...new Array<Command>(answers - 1).fill(further)];
  const { replies, failure } = await connection.exchange(commands, chunks);
  result.failure = failure;
  return replies;
}

function envelopeCommands(request: TransactionRequest): Command[] {
  const { path } = request;
  const commands: Command[] = [];
  if (request.withRset) commands.push({ line: 'RSET\r\n', timeout: path.rset_timeout });
  commands.push({ line: request.mailLine, timeout: path.mail_from_timeout, took: phases.mail });
  for (const recipient of request.recipients) {
    commands.push({ line: rcptLine(recipient), timeout: path.rcpt_to_timeout });
  }
  commands.push({ line: 'DATA\r\n', timeout: path.data_timeout, took: phases.data });
  return commands;
}

/** One command at a time, for servers without PIPELINING; stops where going on makes no sense. */
async function stepByStep(
  connection: SmtpConnection,
  commands: readonly Command[],
  first: number,
): Promise<{ replies: Reply[]; failure: ConnectionFailure | undefined }> {
  const replies: Reply[] = [];
  for (const [index, command] of commands.entries()) {
    const isData = index === commands.length - 1;
    if (isData && !replies.slice(first + 1).some(isPositive)) break;
    const step = await connection.exchange([command], [command.line]);
    if (step.failure !== undefined) return { replies, failure: step.failure };
    replies.push(step.replies[0]!);
    if (index === first && !isPositive(step.replies[0]!)) break;
  }
  return { replies, failure: undefined };
}

function isPositive(value: Reply): boolean {
  return value.code >= 200 && value.code < 300;
}
