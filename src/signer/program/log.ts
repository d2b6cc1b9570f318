import { type Logger, pino } from 'pino';
import { type Denied, SignerError } from '../contract/problems.ts';

/** A line that is due: how often it was counted since it was written last. */
interface Repeat {
  readonly variant: string;
  write: (fields: { readonly count?: number }) => void;
  count: number;
}

/** Who asks, and the id under which the answer and every line of this request can be found. */
export interface Asked {
  readonly publisher: string;
  readonly request: string;
}

/** More kinds of lines than publishers, routes and codes make; what is beyond shares one counter. */
const MAX_KINDS = 4096;

/**
 * The only log calls of the signer: JSON lines with a closed set of fields. Services and publishers appear by
 * their names in policy; there is no field for an address, a key, a point, a text or a message of foreign code.
 * What a publisher can cause at will is one line at first and then one with a `count` for each `flush`, which names the
 * last of these requests.
 */
export class SignerLog {
  readonly #log: Logger;
  readonly #repeats = new Map<string, Repeat>();

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

  /** A repeated answer costs its publisher nothing, so it is counted; a new one is bounded by its rate. */
  signed({ publisher, request }: Asked, service: string, texts: number, repeated: boolean): void {
    const fields = { publisher, request, service, texts, repeated };
    if (!repeated) this.#log.info(fields, 'signed');
    else
      this.#count(`signed ${publisher} ${service}`, '', more =>
        this.#log.info({ ...fields, ...more }, 'signed'),
      );
  }

  /** The alias asked for may be a publisher's guess and is left out. */
  denied({ publisher, request }: Asked, { rule, observed, limit }: Denied): void {
    const fields = { publisher, request, rule, observed, limit };
    this.#count(`denied ${publisher} ${rule}`, '', more => this.#log.warn({ ...fields, ...more }, 'denied'));
  }

  failed({ publisher, request }: Asked, route: string, code: string, defect?: unknown): void {
    const fields = {
      publisher,
      request,
      route,
      code,
      ...(defect instanceof Error ? describeDefect(defect) : {}),
    };
    const key = `failed ${publisher} ${route} ${code} ${fields.stack ?? ''}`;
    this.#count(key, '', more => this.#log.warn({ ...fields, ...more }, 'refused'));
  }

  /** A connection that became no publisher's; nothing of it is written but the kind. */
  turnedAway(code: 'HANDSHAKE' | 'STRANGER' | 'CONNECTIONS'): void {
    this.#count(`turned away ${code}`, '', more => this.#log.warn({ code, ...more }, 'turned away'));
  }

  /** A service that could not be opened; another code than before is told at once. */
  custodyFailed(service: string, code: string): void {
    const write: Repeat['write'] = more => this.#log.info({ service, code, ...more }, 'custody failed');
    this.#count(`custody ${service}`, code, write);
  }

  /** Half of `ahead` is gone; `next` says what to do and is a text of ours. */
  custodyAlarm(service: string, code: string, next: string, certifiedUntil: number): void {
    const until = new Date(certifiedUntil * 1000).toISOString();
    this.#log.warn({ service, code, until, next }, 'custody alarm');
  }

  /** The owner accepted it; it is told at each start all the same. */
  unlockedMemory(): void {
    this.#log.warn({}, 'memory cannot be locked: secrets can reach swap');
  }

  problem(message: string, error: unknown, fields: { readonly service?: string } = {}): void {
    const code = error instanceof SignerError || hasCode(error) ? error.code : 'INTERNAL';
    const write: Repeat['write'] = more => this.#log.error({ ...fields, code, ...more }, message);
    this.#count(`problem ${message}`, code, write);
  }

  /** Writes what was counted since the last call, one line of each kind; call it about once a minute. */
  flush(): void {
    for (const [key, repeat] of this.#repeats) {
      if (repeat.count === 0) this.#repeats.delete(key);
      else repeat.write({ count: repeat.count });
      repeat.count = 0;
    }
  }

  /** The first of a kind, and the first of another variant of it, is a line at once. */
  #count(kind: string, variant: string, write: Repeat['write']): void {
    const key = this.#repeats.has(kind) || this.#repeats.size < MAX_KINDS ? kind : '';
    const known = this.#repeats.get(key);
    if (known === undefined || known.variant !== variant) {
      this.#repeats.set(key, { variant, write, count: 0 });
      write({});
      return;
    }
    known.write = write;
    known.count += 1;
  }
}

const hasCode = (error: unknown): error is { readonly code: string } =>
  typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string';

/** Name and places of a defect. The places name files and lines of ours; the message, which may name more, is cut off. */
function describeDefect({ name, message, stack = '' }: Error): { defect: string; stack: string } {
  const start = stack.indexOf(message);
  const places = (start < 0 ? stack : stack.slice(start + message.length)).split('\n');
  return {
    defect: name,
    stack: places
      .map(line => line.trim())
      .filter(line => /^at [\w.<>#$[\] ]*\(?(?:file:|node:|\/)/u.test(line))
      .slice(0, 5)
      .join(' '),
  };
}

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
