import { type Logger, pino } from 'pino';
import { codeOf } from './error.ts';

export type { Logger } from 'pino';

/** Fields that a log line may have. Addresses, keys, points and fingerprints have no field. */
export type LogFields = {
  readonly service?: string;
  readonly backend?: string;
  readonly signer?: number;
  readonly periodNum?: number;
  readonly code?: string;
  readonly reason?: string;
  readonly count?: number;
  readonly limit?: number;
  readonly seconds?: number;
  readonly result?: string;
  /** Serial of the settings under which the signer signed. */
  readonly settings?: number;
  /** Names the request in the signer's log too. */
  readonly request?: string;
  /** What a foreign program says, fit for a log: see `forLog`. */
  readonly detail?: string;
};

/** JSON lines on `destination` (standard error unless given). `level`: pino's names, `silent` for none. */
export function createLog(level = 'info', destination?: { write(line: string): void }): Logger {
  const options = {
    level,
    base: { program: 'onion-publisher' },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  return pino(options, destination ?? pino.destination({ dest: 2, sync: true }));
}

/** The only log calls of the publisher: a closed set of fields, and of errors the code alone. */
export class PublisherLog {
  readonly #log: Logger;

  constructor(log: Logger) {
    this.#log = log;
  }

  info(message: string, fields: LogFields = {}): void {
    this.#log.info(fields, message);
  }

  warn(message: string, fields: LogFields = {}): void {
    this.#log.warn(fields, message);
  }

  /** What must not happen: a wrong answer of the signer, a defect of ours. */
  alarm(message: string, fields: LogFields = {}): void {
    this.#log.error({ ...fields, alarm: true }, message);
  }

  /** A failure: the code only, because messages may name addresses. */
  failure(message: string, thrown: unknown, fields: LogFields = {}): void {
    this.#log.warn({ ...fields, code: codeOf(thrown) }, message);
  }
}
