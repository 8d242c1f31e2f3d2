import type { Server } from './endpoint.ts';
import { note, print, printJson } from './output.ts';
import type { ServerFlags } from './server-command.ts';
import { formatCount, formatTable } from './table.ts';

/** What a change would touch, as endpoints answer `dry_run`. */
export interface Preview {
  messages: number;
  queues: number;
  sample_queues: { queue: string; messages: number }[];
  sample_messages: { id: string; queue: string }[];
}

/** Asks what a POST would do, and shows it. `verb` says what it would do to the messages. */
export async function showPreview(
  server: Server,
  path: string,
  body: object,
  verb: string,
  flags: ServerFlags,
): Promise<void> {
  show(await server.postJson<Preview>(path, { ...body, dry_run: true }), `would ${verb}`, flags);
}

/** Asks what the end of an entry would do, and shows it. */
export async function showCancelPreview(
  server: Server,
  path: string,
  id: string,
  flags: ServerFlags,
): Promise<void> {
  const answer = await server.text('DELETE', path, { body: { id, dry_run: true } });
  show(JSON.parse(answer) as Preview, `would end an entry that is about`, flags);
}

function show(preview: Preview, would: string, { json }: ServerFlags): void {
  if (json === true) {
    printJson(preview);
    return;
  }
  print(formatPreview(preview, would));
  note('Nothing was changed.');
}

/** The preview for people. */
export function formatPreview(preview: Preview, would: string): string {
  const { messages, queues, sample_queues: some, sample_messages: first } = preview;
  const parts = [
    `${would} ${formatCount(messages)} message${messages === 1 ? '' : 's'} in ${formatCount(queues)} queue${queues === 1 ? '' : 's'}\n`,
  ];
  if (some.length > 0) {
    const columns = [{ title: 'QUEUE' }, { title: 'MESSAGES', right: true }];
    parts.push(
      formatTable(
        columns,
        some.map(({ queue, messages: count }) => [queue, formatCount(count)]),
      ),
    );
  }
  if (first.length > 0) {
    const columns = [{ title: 'MESSAGE' }, { title: 'QUEUE' }];
    parts.push(
      formatTable(
        columns,
        first.map(({ id, queue }) => [id, queue]),
      ),
    );
  }
  return parts.join('\n');
}
