import type { KpHsId } from '../descriptor/index.ts';

/** What an invariant of the keyholder said no to. */
export interface Refusal {
  readonly rule: string;
  readonly observed: string;
  readonly limit: string;
  /** Digest of the descriptor that was refused, where it was one alone. */
  readonly evidence?: string;
}

export interface Refused {
  readonly refused: Refusal;
}

/** One descriptor to be made: of this period and variant, to be posted at this Unix second. */
export interface SignTarget {
  readonly periodNum: number;
  readonly variant: number;
  readonly second: number;
}

/** The finished text of one target. */
export interface SignedTarget extends SignTarget {
  /** By how many seconds the keyholder's counters run ahead: those of the journal, or the two are out of step. */
  readonly lead: number;
  readonly revisionCounter: bigint;
  /** Below 50,000 bytes. */
  readonly text: Uint8Array;
  /** Opens the inner layer of a restricted text (16 bytes). Whoever verified the text wipes it; nobody keeps it. */
  readonly descriptorCookie: Uint8Array | undefined;
  /** Serial of the list under which what the text carries changed last: clients, CAA, single onion. */
  readonly settingsSerial: number;
}

export interface SignOrder {
  readonly kpHsId: KpHsId;
  /** Serial of the policy that approved it: a keyholder with another list refuses (LIST-SERIAL). */
  readonly listSerial: number;
  /** The `index`-th point of the proven descriptor with this SHA-256 (64 hex digits), in the order to be written. */
  readonly points: readonly { readonly evidence: string; readonly index: number }[];
  readonly targets: readonly SignTarget[];
}

/** What the keyholder says of one service. */
export interface CustodyStatus {
  readonly alias: string;
  /** `born here`, `imported, was online until DATE`, or empty before the first opening. */
  readonly origin: string;
  /** Signed note in which the identity vouches for the checkpoint key; empty before the first opening. */
  readonly vouching: string;
  /** Unix seconds up to which every publishable period has a certified key; 0 when none has. */
  readonly certifiedUntil: number;
  readonly latched: boolean;
  /** Nothing is signed there until it is thawed. */
  readonly frozen: boolean;
  /** Of each period that was fenced: seconds before `floor` are spent, counters run `lead` seconds ahead. */
  readonly fences: readonly { readonly periodNum: number; readonly floor: number; readonly lead: number }[];
  /** Authorized clients; 0: whoever knows the address may read. */
  readonly clients: number;
  /** Serial of the list under which what texts carry changed last. */
  readonly settingsSerial: number;
  /** Why the last opening failed; empty when it did not. */
  readonly errorCode: string;
  /** Which token certified last, and when in Unix seconds; '' and 0 before the first opening. */
  readonly opened: { readonly by: string; readonly at: number };
}

/** What the keyholder knows of one token of its list. Unix seconds, 0 for never. */
export interface TokenState {
  /** What selects it; nothing of module or PIN. */
  readonly name: string;
  readonly openedAt: number;
  readonly seenAt: number;
  /** Why it opened nothing when it was asked last, and since when; '' when it did. */
  readonly errorCode: string;
  readonly errorSince: number;
  /** Services whose envelopes do not name it. */
  readonly strangerTo: readonly string[];
}

/** Whether tokens are left alone after a failure: since when, why, and until when. Unix seconds, 0 for none. */
export interface BreakerState {
  readonly isOpen: boolean;
  readonly since: number;
  readonly nextTry: number;
  readonly code: string;
}

export interface KeyholderState {
  readonly startedAt: number;
  readonly listSerial: number;
  /** SHA-256 of its list, 64 hex digits. */
  readonly listDigest: string;
  /** Name of the network in its list. */
  readonly network: string;
  /** How the keyholder is kept apart from the core; see describeIsolation. */
  readonly isolation: string;
  /** `locked`, or that secrets can reach swap. */
  readonly memory: string;
  /** What its state on disk is sealed to. */
  readonly stateProtection: string;
  /** Where descriptor signing keys are, and which process stays for it. */
  readonly periodKeys: string;
  readonly tokens: readonly TokenState[];
  readonly breaker: BreakerState;
  /** Public key of its checkpoints, in the verifier form of c2sp.org/signed-note. */
  readonly checkpointKey: string;
  /** In force there; on a test network less than the list says. */
  readonly aheadSeconds: number;
  readonly runwaySeconds: number;
  readonly services: readonly CustodyStatus[];
}

/**
 * The keyholder as the core sees it: fields and evidence in, finished texts out. There is no call that takes bytes
 * to be signed. A refusal is a value; a keyholder that is gone or late is an error (SignerError
 * KEYHOLDER_UNAVAILABLE, CUSTODY_UNAVAILABLE).
 */
export interface Keyholder {
  /** Gives a backend's descriptor to be proven; cached there by its SHA-256. */
  prove(kpHsId: KpHsId, text: Uint8Array): Promise<Refused | { readonly digest: string }>;
  sign(order: SignOrder): Promise<Refused | { readonly signed: readonly SignedTarget[] }>;
  /**
   * A C2SP checkpoint over this head, as the text of a signed note. `proof` shows that it continues the head that was
   * signed last (RFC 6962 consistency), else SignerError CHECKPOINT_FORK.
   */
  checkpoint(size: number, rootHash: Uint8Array, proof: readonly Uint8Array[]): Promise<string>;
  /** Entries that the last signed head covers, asked now; 0 before the first. */
  signedSize(): Promise<number>;
  /** Makes the period keys that `ahead` asks for; opens the token when one is missing. */
  prepare(): Promise<void>;
  /** Spends what was spent for an identity of the list, and all before it: counters run ahead from now on. Durable, repeatable. */
  fence(kpHsId: KpHsId): Promise<void>;
  /** Has nothing signed for an identity of the list any more, or lets it be signed for again. Durable, repeatable. */
  freeze(kpHsId: KpHsId, frozen: boolean): Promise<void>;
  /** Spends every second (Unix time) before this one, of every identity: the fence of a recovery. Durable, repeatable. */
  raiseFloor(second: number): Promise<void>;
  /** Reads the canonical list again. */
  reload(): Promise<void>;
  /** At most a second old, and never from before the last `prepare`, `reload`, `fence` or `freeze`. */
  status(): Promise<KeyholderState>;
}
