import { join } from 'node:path';
import type { SignedDescriptor } from '../signer/contract/requests.ts';
import { replaceFile } from './durable-file.ts';
import type { PublisherLog } from './log.ts';

/**
 * The folder `record`, for reports: every text that was handed to tor as SERVICE-PERIOD-COUNTER.txt, and beside it a
 * .json that says which HSDirs took it. A folder that cannot be written never keeps anything from being published.
 */
export class UploadRecord {
  readonly #folder: string | undefined;
  readonly #service: string;
  readonly #log: PublisherLog;
  readonly #takenBy = new Map<string, string[]>();

  constructor(folder: string | undefined, service: string, log: PublisherLog) {
    this.#folder = folder;
    this.#service = service;
    this.#log = log;
  }

  /** Notes a text before its first upload. */
  posting(descriptor: SignedDescriptor): void {
    const name = this.#nameOf(descriptor);
    if (this.#folder === undefined || this.#takenBy.has(name)) return;
    this.#takenBy.set(name, []);
    this.#write(`${name}.txt`, descriptor.text);
    this.#writeNote(name, descriptor, []);
  }

  /** Notes that the HSDir with this fingerprint took it. */
  taken(descriptor: SignedDescriptor, fingerprint: string): void {
    const name = this.#nameOf(descriptor);
    const by = this.#takenBy.get(name);
    if (by === undefined || by.includes(fingerprint)) return;
    by.push(fingerprint);
    this.#writeNote(name, descriptor, by);
  }

  #nameOf({ period, revisionCounter }: SignedDescriptor): string {
    return `${this.#service}-${period.periodNum}-${revisionCounter}`;
  }

  #writeNote(name: string, { period, revisionCounter }: SignedDescriptor, hsdirs: readonly string[]): void {
    const note = { period: period.periodNum, periodLength: period.lengthMinutes, revisionCounter, hsdirs };
    this.#write(`${name}.json`, `${JSON.stringify(note)}\n`);
  }

  #write(name: string, content: string): void {
    try {
      if (this.#folder !== undefined) replaceFile(join(this.#folder, name), content);
    } catch (thrown) {
      this.#log.failure('a text could not be recorded', thrown);
    }
  }
}
