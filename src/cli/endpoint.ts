import type { Command } from 'commander';

export interface EndpointOptions {
  endpoint: string;
}

const DEFAULT = 'http://127.0.0.1:8000';

/** Adds `--endpoint`, whose default KUMO_KCLI_ENDPOINT gives (operations.md 8). */
export function endpointOption(command: Command): Command {
  return command.option(
    '--endpoint <url>',
    'HTTP listener of the server (env KUMO_KCLI_ENDPOINT)',
    process.env.KUMO_KCLI_ENDPOINT ?? DEFAULT,
  );
}

/** Asks the server. Throws, with what it said, unless it answers with success. */
export async function request(
  { endpoint }: EndpointOptions,
  method: 'GET' | 'POST',
  path: string,
): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(new URL(path, endpoint), { method });
  } catch (error) {
    const cause = (error as Error).cause as Error | undefined;
    throw new Error(`cannot reach ${endpoint}: ${cause?.message || (error as Error).message}`);
  }
  if (response.ok) return response;
  throw new Error(`${endpoint}: ${response.status} ${(await response.text()).trim()}`);
}
