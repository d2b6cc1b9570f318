import { askChild, type ChildOptions, DEADLINE_MS, type TokenClientOptions } from './ask-child.ts';
import { CustodyError } from './error.ts';
import { type PinStore, volatilePinStore } from './pin-memory.ts';
import { parsePinSource } from './pin.ts';
import {
  type CopyRequest,
  encodeCopyRequest,
  encodeResealRequest,
  encodeSealRequest,
  encodeVerifyRequest,
  parseSealAnswer,
  type ResealRequest,
  type SealedIdentity,
  type SealRequest,
  type VerifyRequest,
} from './seal-messages.ts';
import {
  encodeFindRequest,
  encodeOpenRequest,
  MAX_ENVELOPE_BYTES,
  type OpeningResult,
  type OpenRequest,
  parseOpenAnswer,
  TOKEN_FRAME,
  type TokenAccess,
} from './token-messages.ts';
import { parsePkcs11Uri } from './uri.ts';
import { WireReader } from './wire.ts';

export type { TokenClientOptions } from './ask-child.ts';

const TERMINAL_DEADLINE_MS = 120_000;

/** Starts a token process for each request and kills it at the deadline. */
export class TokenClient {
  readonly #options: TokenClientOptions;
  readonly #pins: PinStore;

  constructor(options: TokenClientOptions = {}) {
    this.#options = options;
    this.#pins = options.pins ?? volatilePinStore();
  }

  /**
   * Opens the services with one login and returns one result per opening, in order. Throws TOKEN_TIMEOUT, TOKEN_DEAD
   * and what keeps all of them shut (URI_…, MODULE_…, TOKEN_…, PIN_…, KEY_…, PERIOD_REFUSED).
   */
  async open(request: OpenRequest): Promise<OpeningResult[]> {
    const parts = request.openings.length;
    const answer = await this.#ask([request.access], TOKEN_FRAME.open, encodeOpenRequest(request), { parts });
    const results = parseOpenAnswer(answer);
    if (results.length !== request.openings.length) throw new CustodyError('TOKEN_PROTOCOL');
    return results;
  }

  /** Whether the token is there, found without a login. Throws TOKEN_NOT_FOUND, TOKEN_DEAD, TOKEN_TIMEOUT, URI_…, MODULE_…. */
  async find(access: TokenAccess): Promise<void> {
    await askChild(
      'token-process',
      TOKEN_FRAME.find,
      encodeFindRequest(access),
      this.#childOptions(false, false),
    );
  }

  /**
   * Seals a new identity, an imported one or one from a backup; the key file of an import is read by the child, from its
   * path or from our standard input. Throws as `open`, and ENVELOPE_…, IDENTITY_…, PAPER_KEY, PASSPHRASE….
   */
  async seal(request: SealRequest): Promise<SealedIdentity> {
    const { source } = request;
    const stdin = source.kind === 'import' && source.path === '' ? 'inherit' : 'ignore';
    const asks = source.kind === 'backup' && source.key.kind === 'passphrase' ? [source.key.source] : [];
    return parseSealAnswer(
      await this.#ask(request.tokens, TOKEN_FRAME.seal, encodeSealRequest(request), { stdin, asks }),
    );
  }

  /** Seals an envelope again to other recipients. Throws as `seal`, and RECIPIENT_…. */
  async reseal(request: ResealRequest): Promise<SealedIdentity> {
    const accesses = [...request.tokens, ...request.added];
    return parseSealAnswer(await this.#ask(accesses, TOKEN_FRAME.reseal, encodeResealRequest(request)));
  }

  /**
   * Opens an envelope with one recipient, or a copy with its passphrase, and compares the key inside with the service.
   * Returns the recipient's name: a key tag, `age1…` or `passphrase`. Throws as `open` and `seal`.
   */
  async verify(request: VerifyRequest): Promise<string> {
    const { by } = request;
    const accesses = by.kind === 'token' ? [by.access] : [];
    const asks = by.kind === 'passphrase' ? [by.source] : [];
    const answer = await this.#ask(accesses, TOKEN_FRAME.verify, encodeVerifyRequest(request), { asks });
    const reader = new WireReader(answer);
    const name = reader.str8();
    reader.end();
    return name;
  }

  /** The identity of an envelope in a file of its own for a new passphrase. Throws as `open`, and PASSPHRASE. */
  async copy(request: CopyRequest): Promise<Uint8Array> {
    const asks = [request.passphraseSource];
    const answer = await this.#ask([request.access], TOKEN_FRAME.copy, encodeCopyRequest(request), { asks });
    const reader = new WireReader(answer);
    const copy = reader.blob32(MAX_ENVELOPE_BYTES);
    reader.end();
    return copy;
  }

  async #ask(
    accesses: readonly TokenAccess[],
    type: number,
    payload: Uint8Array,
    {
      stdin = 'ignore',
      asks = [],
      parts = 0,
    }: { stdin?: 'ignore' | 'inherit'; asks?: readonly string[]; parts?: number } = {},
  ): Promise<Uint8Array> {
    const sources = accesses.map(({ uri, pinSource }) =>
      parsePinSource(parsePkcs11Uri(uri).pinSource ?? pinSource),
    );
    const asksPerson = stdin === 'inherit' || sources.some(({ kind }) => kind === 'tty');
    const [access, ...others] = accesses;
    const one = access === undefined || others.length > 0 ? {} : { access };
    const options = { ...this.#childOptions(asksPerson, asks.length > 0), parts, ...one };
    return await askChild('token-process', type, payload, options, stdin);
  }

  /** A process in a session of its own has no terminal; one that asks at ours needs it, and more time, as scrypt does. */
  #childOptions(asksPerson: boolean, hasPassphrase: boolean): ChildOptions {
    const deadlineMs = this.#options.deadlineMs ?? DEADLINE_MS;
    const isLong = asksPerson || hasPassphrase;
    return {
      ...this.#options,
      pins: this.#pins,
      ownSession: !isLong,
      deadlineMs: isLong ? Math.max(deadlineMs, TERMINAL_DEADLINE_MS) : deadlineMs,
    };
  }
}
