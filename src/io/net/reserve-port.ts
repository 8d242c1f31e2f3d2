import { listen } from './listen.ts';

export interface PortReservation {
  /** A real one also when 0 was asked for. */
  readonly port: number;
  release(): Promise<void>;
}

/** Binds the address alone, which fails when anybody else has it. Rejects with ListenError. */
export async function reservePort(target: { address: string; port: number }): Promise<PortReservation> {
  const listening = await listen(target, (transport) => transport.destroy());
  return { port: listening.port, release: () => listening.close() };
}
