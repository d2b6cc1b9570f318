import { unlinkSync } from 'node:fs';
import type { Server } from 'node:http';
import { type Family, formatExposition } from '../signer/program/exposition.ts';
import { serveMetrics } from '../signer/program/metrics-server.ts';
import type { MetricsConfig } from './config-metrics.ts';
import { replaceFile } from './durable-file.ts';
import { codeOf } from './error.ts';

/** How often the file is written: as often as it is read, or oftener. */
const WRITE_MS = 15_000;

/** Shows the same numbers on a listener, in a file for node_exporter, or both, until it is closed. */
export class Numbers {
  readonly #collect: () => readonly Family[];
  readonly #onFailure: (thrown: unknown) => void;
  readonly #textfile: string | undefined;
  #server: Server | undefined;
  #timer: NodeJS.Timeout | undefined;
  #failing: string | undefined;

  /** SignerError LISTEN. A file that cannot be written stops nothing: `onFailure` is told once for each code. */
  static async open(
    config: MetricsConfig,
    collect: () => readonly Family[],
    onFailure: (thrown: unknown) => void,
  ): Promise<Numbers> {
    const numbers = new Numbers(config, collect, onFailure);
    if (config.metrics !== undefined)
      numbers.#server = await serveMetrics(config.metrics, async () => collect());
    numbers.#write();
    numbers.#timer = setInterval(() => numbers.#write(), WRITE_MS).unref();
    return numbers;
  }

  private constructor(
    { textfile }: MetricsConfig,
    collect: () => readonly Family[],
    onFailure: (thrown: unknown) => void,
  ) {
    [this.#textfile, this.#collect, this.#onFailure] = [textfile, collect, onFailure];
  }

  /** Who does not run has no numbers: the file goes, as the listener does. */
  close(): void {
    clearInterval(this.#timer);
    this.#server?.close().closeAllConnections();
    if (this.#textfile === undefined) return;
    try {
      unlinkSync(this.#textfile);
    } catch (thrown) {
      if (codeOf(thrown) !== 'ENOENT') this.#onFailure(thrown);
    }
  }

  /** The collector reads `.prom` only, so it never sees half of one; it may be another user's. */
  #write(): void {
    if (this.#textfile === undefined) return;
    try {
      replaceFile(this.#textfile, formatExposition(this.#collect()), 0o644);
      this.#failing = undefined;
    } catch (thrown) {
      if (this.#failing !== codeOf(thrown)) this.#onFailure(thrown);
      this.#failing = codeOf(thrown);
    }
  }
}
