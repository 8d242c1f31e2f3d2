import { listen } from './listen.ts';

/**
 * Binds the address alone, which fails when anybody else has it, and lets go again. Gives the port, a real one
 * also when 0 was asked for. Rejects with ListenError.
 */
export async function reservePort(target: { address: string; port: number }): Promise<number> {
  const listening = await listen(target, (transport) => transport.destroy());
  const { port } = listening;
  await listening.close();
  return port;
}
