import { type Difference, decided, extension } from './difference.ts';

/** Injection over HTTP and by policy. */
export const injectionDifferences: readonly Difference[] = [
  decided(
    'behaviour',
    'templates of injected messages',
    '`{% break %}` and `{% continue %}`, and the filter `wordwrap`, are not there; a template may take 200,000 steps. The engine is the same, built without them.',
  ),
  decided(
    'behaviour',
    'line breaks in what is injected',
    'A substitution with a line break among the headers of a text, and a control character in a display name, a file name or a content id, fail that recipient or the request; in header values they become spaces. A value cannot make a header.',
  ),
  decided(
    'behaviour',
    'headers of injected messages in parts',
    'Content-Type, Content-Transfer-Encoding, Content-Disposition and Content-ID in `headers` are refused with 422: a second one would contradict the parts.',
  ),
  decided(
    'behaviour',
    'names in From and Reply-To of injected messages',
    'Name and address are templates of their own and put together after that, so that a value in the name cannot make an address.',
  ),
  decided(
    'behaviour',
    'deferred_generation',
    'Recipients whose messages cannot be made for the time being, for one because policy raises an error, stay in the request and are tried again; the record says how many failed. After kill -9 in the midst of it messages of one request can be made twice.',
  ),
  decided(
    'behaviour',
    'kumo.set_httpinject_recipient_rate_limit',
    'A request with more recipients than the limit allows in one burst waits for one burst after the other.',
  ),
  extension(
    'behaviour',
    'limits of injected requests',
    'Values may nest 64 levels deep; a body may unpack to 200 times its size where that is more than 1 MiB; a request may take 60 s to arrive.',
  ),
];
