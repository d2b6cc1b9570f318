import { type Logger, pino } from 'pino';
import { type Denied, SignerError } from '../contract/problems.ts';

/**
 * The only log calls of the signer: JSON lines with a closed set of fields. Services and publishers appear by
 * their names in policy; there is no field for an address, a key, a point, a text or a message of foreign code.
 */
export class SignerLog {
  readonly #log: Logger;

  constructor(log: Logger) {
    this.#log = log;
  }

  event(
    message: string,
    fields: {
      readonly service?: string;
      readonly code?: string;
      readonly count?: number;
      readonly serial?: number;
    } = {},
  ): void {
    this.#log.info(fields, message);
  }

  signed(publisher: string, service: string, texts: number, repeated: boolean): void {
    this.#log.info({ publisher, service, texts, repeated }, 'signed');
  }

  /** The alias asked for may be a publisher's guess and is left out. */
  denied(publisher: string, { rule, observed, limit }: Denied): void {
    this.#log.warn({ publisher, rule, observed, limit }, 'denied');
  }

  failed(publisher: string, route: string, code: string, defect?: unknown): void {
    const name = defect instanceof Error ? defect.name : undefined;
    // The stack names files and lines of ours, never values.
    const stack =
      defect instanceof Error ? (defect.stack ?? '').split('\n').slice(1, 6).join(' ') : undefined;
    this.#log.warn(
      { publisher, route, code, ...(name === undefined ? {} : { defect: name, stack }) },
      'refused',
    );
  }

  problem(message: string, error: unknown, fields: { readonly service?: string } = {}): void {
    const code = error instanceof SignerError || hasCode(error) ? error.code : 'INTERNAL';
    this.#log.error({ ...fields, code }, message);
  }
}

const hasCode = (error: unknown): error is { readonly code: string } =>
  typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string';

/** JSON lines on standard error, at pino's `level`. */
export function createSignerLog(level = 'info'): SignerLog {
  const options = {
    level,
    base: { program: 'onion-signer' },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  return new SignerLog(pino(options, pino.destination({ dest: 2, sync: true })));
}
