import { SignerError } from './contract/problems.ts';
import type { Journal } from './journal/journal.ts';
import { parsePolicySnapshot } from './policy/snapshot.ts';
import { approveStep, type SignerIdentity } from './policy/approval.ts';
import type { SignatureFile } from './policy/approval.ts';
import { readServiceNames, type ServiceNames } from './policy/service-names.ts';
import { type Policy } from './policy/types.ts';
import type { Keyholder, KeyholderState } from './ports.ts';

/** What of the keyholder is asked: which list it has read. */
interface ListReader extends Pick<Keyholder, 'reload'> {
  status(): Promise<Pick<KeyholderState, 'listSerial' | 'listDigest'>>;
}

/** Which list it is: two that an apply left behind may have one serial. `digest`: SHA-256, 64 hex digits. */
export interface ListIdentity {
  readonly serial: number;
  readonly digest: string;
}

/** The policy that the core judges by: always the journal's, whether the keyholder has read its list already or not. */
export class PolicyInForce {
  readonly #journal: Journal;
  readonly #keyholder: ListReader;
  readonly #network: string;
  readonly #listOnDisk: () => ListIdentity | undefined;
  #serial: number;
  #text: Uint8Array;
  #policy: Policy;
  /** Of all policies that were in force. */
  readonly names: ServiceNames;
  #applying: Promise<unknown> = Promise.resolve();

  /**
   * `listOnDisk` tells what the keyholder is to have read, as far as that can be seen from here.
   * SignerError POLICY_EMPTY for a journal without a policy, POLICY_SNAPSHOT, JOURNAL_TORN.
   */
  constructor(
    journal: Journal,
    keyholder: ListReader,
    network: string,
    listOnDisk: () => ListIdentity | undefined,
  ) {
    const stored = journal.policies.current();
    if (stored === undefined) throw new SignerError('POLICY_EMPTY', 'run `init` first');
    this.#journal = journal;
    this.#keyholder = keyholder;
    this.#network = network;
    this.#listOnDisk = listOnDisk;
    this.#serial = stored.serial;
    this.#text = stored.text;
    this.#policy = parsePolicySnapshot(stored.text);
    this.names = readServiceNames(journal.policies);
  }

  get policy(): Policy {
    return this.#policy;
  }

  get serial(): number {
    return this.#serial;
  }

  /** Which signer a proposal must be for. */
  get signer(): SignerIdentity {
    const { journalId, standing } = this.#journal;
    return { origin: standing.origin, journal: journalId, network: this.#network };
  }

  /** Canonical bytes of the policy. */
  get text(): Uint8Array {
    return this.#text;
  }

  /**
   * Puts the canonical `text` in force under `serial`, for which the keyholder's list is written already. The same
   * again changes nothing. From when the journal has it the core judges by it, whatever the keyholder does; see
   * `settle`. SignerError POLICY_SNAPSHOT, POLICY_SERIAL, JOURNAL_*, and those of approveStep.
   */
  async apply(serial: number, text: Uint8Array, signatures: readonly SignatureFile[] = []): Promise<void> {
    // One after the other: each is judged by those whom the one before it named.
    const applied = this.#applying.then(() => this.#apply(serial, text, signatures));
    this.#applying = applied.catch(() => undefined);
    await applied;
  }

  async #apply(serial: number, text: Uint8Array, signatures: readonly SignatureFile[]): Promise<void> {
    const policy = parsePolicySnapshot(text);
    const step = { signer: this.signer, before: this.#policy, names: this.names, serial, after: policy };
    // What is in force already was judged when it came.
    const signed = serial === this.#serial ? undefined : approveStep(step, signatures);
    await this.#journal.policies.apply(serial, text, signed);
    this.names.take(policy);
    [this.#serial, this.#text, this.#policy] = [serial, Uint8Array.from(text), policy];
  }

  /** Has the keyholder read its list again unless it is in step. SignerError when it cannot, or reads another one. */
  async settle(): Promise<void> {
    if (await this.#isSettled()) return;
    await this.#keyholder.reload();
    if (await this.#isSettled()) return;
    throw new SignerError('POLICY_SERIAL', 'the keyholder has another list; run `policy apply`');
  }

  async #isSettled(): Promise<boolean> {
    const { listSerial, listDigest } = await this.#keyholder.status();
    if (listSerial !== this.#serial) return false;
    // One that was refused may have had the serial. What another apply has written meanwhile is not in force yet.
    const onDisk = this.#listOnDisk();
    return onDisk?.serial !== this.#serial || onDisk.digest === listDigest;
  }
}
