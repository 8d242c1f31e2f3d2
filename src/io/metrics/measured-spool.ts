import {
  type Clock,
  measured,
  type Series,
  type Spool,
  type SpoolEntry,
  type SpooledEnvelope,
} from '../../model/index.ts';

const saves = measured.histogram('message_save_latency');
const bodies = measured.histogram('message_data_load_latency');
const envelopes = measured.histogram('message_meta_load_latency');

/** The spool, with what its callers wait for measured. */
export class MeasuredSpool implements Spool {
  readonly #spool: Spool;
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #stopped: Series;
  readonly #shedding: Series;
  readonly #errors: Series;

  /** `path` is what the spool goes by in metrics. */
  constructor(spool: Spool, path: string, clock: Pick<Clock, 'monotonic'>) {
    this.#spool = spool;
    this.#clock = clock;
    this.#stopped = measured.series('rocks_spool_write_stopped', path);
    this.#shedding = measured.series('rocks_spool_load_shed_active', path);
    this.#errors = measured.series('rocks_spool_background_errors', path);
  }

  store(...message: Parameters<Spool['store']>): Promise<SpoolEntry> {
    return this.#written(this.#spool.store(...message));
  }

  updateEnvelope(...change: Parameters<Spool['updateEnvelope']>): Promise<void> {
    return this.#written(this.#spool.updateEnvelope(...change));
  }

  async #written<T>(writing: Promise<T>): Promise<T> {
    const began = this.#clock.monotonic();
    try {
      const result = await writing;
      saves.took(this.#clock.monotonic() - began);
      if (this.#stopped.value > 0) this.#writes(0);
      return result;
    } catch (error) {
      this.#errors.add();
      this.#writes(1);
      throw error;
    }
  }

  /** 1 while the last write failed. */
  #writes(areStopped: 0 | 1): void {
    this.#stopped.set(areStopped);
    this.#shedding.set(areStopped);
  }

  async loadEnvelope(entry: SpoolEntry): Promise<SpooledEnvelope> {
    const began = this.#clock.monotonic();
    const envelope = await this.#spool.loadEnvelope(entry);
    envelopes.took(this.#clock.monotonic() - began);
    return envelope;
  }

  async loadBody(entry: SpoolEntry): Promise<Buffer> {
    const began = this.#clock.monotonic();
    const body = await this.#spool.loadBody(entry);
    bodies.took(this.#clock.monotonic() - began);
    return body;
  }

  saveProgress(...progress: Parameters<Spool['saveProgress']>): void {
    this.#spool.saveProgress(...progress);
  }

  remove(entry: SpoolEntry): void {
    this.#spool.remove(entry);
  }

  removalsWritten(): Promise<void> {
    return this.#spool.removalsWritten();
  }

  enumerate(...visit: Parameters<Spool['enumerate']>): ReturnType<Spool['enumerate']> {
    return this.#spool.enumerate(...visit);
  }

  flush(): Promise<void> {
    return this.#spool.flush();
  }

  async compact(): Promise<void> {
    await this.#spool.compact?.();
  }

  close(): Promise<void> {
    return this.#spool.close();
  }
}
