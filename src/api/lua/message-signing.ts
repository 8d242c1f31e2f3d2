import { SigningTurns } from '../../io/dkim/index.ts';
import { instanceOf, methodsOf } from '../../model/define/index.ts';
import { type Clock, type MaybePromise, type Message, measured, type PolicyHost } from '../../model/index.ts';
import { DkimSigner, SentForm } from '../../protocol/dkim/index.ts';
import { sharedBy } from './kept.ts';
import { SIGNING_THREADS } from './kumo.dkim.ts';
import { withData } from './message-data.ts';

const method = methodsOf<Message>();

const parses = measured.histogram('dkim_signer_message_parse');
const signatures = measured.histogram('dkim_signer_sign');
/** RSA signatures made at the same time per shard, unless kumo.dkim.set_signing_threads says otherwise. */
const SIGNATURES_AT_A_TIME = 4;

/** Makes RSA signatures on other threads, so many at a time. */
export const aside = sharedBy((host) => {
  const turns = new SigningTurns();
  const limit = (host.declared?.(SIGNING_THREADS) as number | undefined) ?? SIGNATURES_AT_A_TIME;
  return (work: () => Promise<string>) => turns.run(limit, work);
});

/** By the bytes of a message, which are replaced and never changed: what is known of one body ends with it. */
const forms = new WeakMap<Buffer, SentForm>();

/** The message as SMTP sends it, with the hashes of its body that are known. */
export function sentFormOf(data: Buffer): SentForm {
  return forms.get(data) ?? SentForm.of(data);
}

/** Signs what the message is now. The body of a long one is hashed in steps, so that other mail goes on. */
function sign(message: Message, data: Buffer, signer: DkimSigner, host: PolicyHost): MaybePromise<void> {
  const { clock } = host;
  const began = clock.monotonic();
  const form = sentFormOf(data);
  const parsed = clock.monotonic();
  parses.took(parsed - began);
  const { bodyCanonicalization } = signer.options;
  const finish = (): MaybePromise<void> => {
    const line = signer.sign(form, clock.now(), aside(host));
    const signedWith = (signed: string): MaybePromise<void> => {
      signatures.took(clock.monotonic() - parsed);
      return prepend(message, data, form, signed);
    };
    return typeof line === 'string' ? signedWith(line) : line.then(signedWith);
  };
  if (!form.takesLong(bodyCanonicalization)) return finish();
  return inTurns(form.hashing(bodyCanonicalization), clock).then(finish);
}

/** Takes steps one after the other, between which other mail goes on. */
export async function inTurns(steps: Iterable<undefined>, clock: Clock): Promise<void> {
  for (const _ of steps) await new Promise<void>((resolve) => clock.after(0, resolve));
}

/** Adds header lines to the message, which is the same as when the signature was begun, or it is an error. */
export function prepend(message: Message, data: Buffer, form: SentForm, line: string): MaybePromise<void> {
  return withData(message, (now) => {
    if (now !== data && !now.equals(data)) throw new Error('the message was changed while it was signed');
    const header = Buffer.from(line);
    const signed = Buffer.concat([header, data]);
    forms.set(signed, form.prepended(header, signed));
    message.setData(signed);
  });
}

export const signingMethods = {
  dkim_sign: method({
    params: { signer: instanceOf(DkimSigner, 'dkim_signer') },
    doc: 'Adds a DKIM-Signature before all other headers, made with a signer of kumo.dkim. Sign last: what changes the message later breaks the signature. Several signatures of one message read its body once. Raises when there is no From header.',
    call: (self, { signer }, { host }) => withData(self, (data) => sign(self, data, signer, host)),
  }),
};
