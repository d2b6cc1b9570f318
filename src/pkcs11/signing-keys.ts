// Descriptor signing keys, made and kept where the list says: as seeds in locked memory, or inside a token, from a pool.

import { createHash } from 'node:crypto';
import { type DescSigningKey, SeedSigningKey } from './desc-signing-key.ts';
import { CustodyError } from './error.ts';
import type { HostState } from './host-state.ts';
import type { KeyholderList } from './list.ts';
import { Secret } from './locked-memory.ts';
import { PERIOD_KEY_LABEL } from './own-labels.ts';
import { slotName } from './service-slot.ts';
import { type SigningKeyRecord, type TokenKeyRecord, recordName } from './signing-key-record.ts';
import { SigningToken } from './signing-token.ts';
import type { TokenAccess } from './token-messages.ts';

const SEED_BYTES = 32;
/** Making a key takes a card seconds; its room is small. */
const MAX_SPARE = 16;
const SIGNER_ID_BYTES = 8;

/** What the keys depend on. */
export interface SigningKeysOptions {
  readonly host: HostState;
  /** The list in force. */
  readonly list: () => KeyholderList;
  /** These are not on the token any more: whoever used them makes new ones. Throws when that cannot be recorded. */
  readonly onMissing: (names: ReadonlySet<string>) => void;
  readonly tokenEnv?: Readonly<Record<string, string>>;
}

/** Makes keys and opens those of the state. */
export class SigningKeys {
  readonly token: SigningToken;
  readonly #options: SigningKeysOptions;
  /** Every key on the token that is recorded or about to be; what else has our label there is destroyed. */
  readonly #known = new Map<string, TokenKeyRecord>();
  #spare: TokenKeyRecord[] = [];
  #filling: Promise<void> | undefined;
  #access = '';

  constructor(options: SigningKeysOptions) {
    this.#options = options;
    const { host, list, tokenEnv } = options;
    this.token = new SigningToken({
      access: () => this.#tokenAccess(),
      deadlineMs: () => list().deadlineMs,
      label: labelOf(host.state.id),
      known: () => [...this.#known.values()],
      pins: host.pins,
      beforeLogin: () => host.pins.check(this.#tokenAccess()),
      onEntered: missing => this.#forget(missing),
      ...(tokenEnv === undefined ? {} : { env: tokenEnv }),
    });
    const used = host.state.services.flatMap(({ periods }) => periods.map(({ key }) => key));
    for (const key of used) if (key.kind === 'token') this.#known.set(recordName(key), key);
    this.#spare = host.state.spareKeys.filter(record => !this.#known.has(recordName(record)));
    for (const record of this.#spare) this.#known.set(recordName(record), record);
  }

  get spareCount(): number {
    return this.#spare.length;
  }

  /** The key of a record, for a service. */
  open(record: SigningKeyRecord, kpHsId: Uint8Array): DescSigningKey {
    if (record.kind === 'seed') return new SeedSigningKey(record.seed);
    const key = this.token.keyOf(record, slotName(kpHsId));
    const destroy = (): void => this.#destroy(record);
    return Object.assign(key, { destroy });
  }

  /** Resolves when a key can be made. @throws CustodyError why not */
  async ready(): Promise<void> {
    if (this.#options.list().periodKeys === 'token') await this.token.ready();
  }

  /** A new key, where the list says. @throws CustodyError TOKEN_UNSUITED, KEY_UNSUITABLE, TOKEN_…, PIN_… */
  async make(): Promise<SigningKeyRecord> {
    if (this.#options.list().periodKeys === 'keyholder')
      return { kind: 'seed', seed: Secret.random(SEED_BYTES) };
    return { kind: 'token', ...(this.#spare.shift() ?? (await this.#makeOnToken())) };
  }

  /** A key that was made and came into no use. */
  giveBack(record: SigningKeyRecord): void {
    if (record.kind === 'seed') record.seed.wipe();
    else if (this.#known.has(recordName(record))) this.#spare.push(record);
  }

  /** Makes spare keys, up to `wanted`; quietly, because nobody waits for them. */
  async refill(wanted: number): Promise<void> {
    this.#filling ??= this.#fill(Math.min(wanted, MAX_SPARE)).finally(() => {
      this.#filling = undefined;
    });
    await this.#filling.catch(() => undefined);
  }

  /** Follows the list: keeps the token in reach while it holds keys or is to hold some, and lets go of it otherwise. */
  settle(isUsed: boolean): void {
    const access = JSON.stringify(this.#tokenAccess());
    if (this.#options.list().periodKeys === 'token' || isUsed) {
      if (access !== this.#access) this.token.restart();
      this.#access = access;
      this.token.start();
      return;
    }
    const spare = this.#spare.splice(0);
    for (const record of spare) this.#destroy(record);
    if (spare.length > 0) this.#options.host.save({ spareKeys: [] });
    void this.token.idle().finally(() => this.token.stop());
  }

  close(): void {
    this.token.stop();
  }

  async #makeOnToken(): Promise<TokenKeyRecord> {
    const record = await this.token.make();
    this.#known.set(recordName(record), record);
    return record;
  }

  async #fill(wanted: number): Promise<void> {
    const { host, list } = this.#options;
    while (list().periodKeys === 'token' && this.#spare.length < wanted) {
      this.#spare.push(await this.#makeOnToken());
      host.save({ spareKeys: this.#spare });
    }
  }

  #destroy(record: TokenKeyRecord): void {
    this.#known.delete(recordName(record));
    this.token.destroy(record);
  }

  #forget(records: readonly TokenKeyRecord[]): void {
    if (records.length === 0) return;
    const names = new Set(records.map(recordName));
    // Until it is on disk that they are gone, the token is asked for them again.
    this.#options.onMissing(names);
    for (const name of names) this.#known.delete(name);
    this.#spare = this.#spare.filter(record => !names.has(recordName(record)));
  }

  /** Period keys are all in one token: the first of the list. */
  #tokenAccess(): TokenAccess {
    const { tokens, pinSource } = this.#options.list();
    const [first] = tokens;
    if (first === undefined) throw new CustodyError('TOKEN_NOT_FOUND');
    return { ...first, pinSource };
  }
}

/** Objects on a token that carry it are this signer's. */
export function labelOf(stateId: Uint8Array): string {
  const id = createHash('sha256').update('onion-signer period keys\0').update(stateId).digest();
  return `${PERIOD_KEY_LABEL} ${id.subarray(0, SIGNER_ID_BYTES).toString('hex')}`;
}
