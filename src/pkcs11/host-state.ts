// The keyholder's folder: `state` (sealed to the host), `marks` (append-only), and who may use them.

import { lstatSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { CustodyError, toCustodyError } from './error.ts';
import { HostPins } from './host-pins.ts';
import { type HostKeySource, createHostKeyFile, deriveHostKey, describeHostKey } from './host-key.ts';
import { hkdfSha256Into } from './hkdf.ts';
import { Secret, fillRandom } from './locked-memory.ts';
import { MarkLog } from './mark-log.ts';
import { isMemoryLocked } from './memory-word.ts';
import { readCheckedFile, removeFile, replaceFile, syncFolder } from './private-file.ts';
import { type KeyholderState, MAX_STATE_BYTES, openState, sealState, wipeState } from './state-codec.ts';

const PURPOSE = 'onion-signer keyholder state';
const PIN_KEY_INFO = new TextEncoder().encode('onion-signer pin tags');

/** Opened state and marks of one keyholder. `state` is replaced as a whole by `save`. */
export class HostState {
  readonly marks: MarkLog;
  /** What is known of PINs. Tags are keyed with the host's key and this state's id: without both a tag names nothing. */
  readonly pins: HostPins;
  /** How the state is protected on disk, for status. */
  readonly protection: string;
  /** Whether its secrets are kept out of swap, for status. */
  readonly isMemoryLocked = isMemoryLocked();
  readonly #path: string;
  readonly #hostKey: Secret;
  #state: KeyholderState;

  private constructor(
    folder: string,
    source: HostKeySource,
    hostKey: Secret,
    state: KeyholderState,
    marks: MarkLog,
  ) {
    this.#path = join(folder, 'state');
    this.protection = describeHostKey(source);
    this.#hostKey = hostKey;
    this.#state = state;
    this.marks = marks;
    this.pins = new HostPins({
      table: () => this.#state,
      save: changes => this.save(changes),
      keyInto: out => this.#hostKey.use(key => hkdfSha256Into(out, key, this.#state.id, PIN_KEY_INFO)),
    });
  }

  /**
   * Opens what `create` made.
   * @throws CustodyError HOST_KEY, STATE_MISSING, STATE_OWNER, STATE_VERSION, STATE_SEALED, STATE_CORRUPT, and STATE_ROLLBACK when
   *   the marks know of a later state than the file holds
   */
  static open(folder: string, source: HostKeySource): HostState {
    checkFolder(folder);
    const path = join(folder, 'state');
    removeFile(`${path}.new`);
    const demand = { maximum: MAX_STATE_BYTES, forbidden: 0o077 } as const;
    const sealed = readCheckedFile(path, { ...demand, missing: 'STATE_MISSING', refused: 'STATE_OWNER' });
    const hostKey = deriveHostKey(source, PURPOSE);
    let state: KeyholderState | undefined;
    try {
      state = openState(sealed, hostKey);
      const marks = MarkLog.open(join(folder, 'marks'), state.id);
      if (state.generation < marks.generation) {
        marks.close();
        throw new CustodyError('STATE_ROLLBACK');
      }
      return new HostState(folder, source, hostKey, state, marks);
    } catch (thrown) {
      if (state !== undefined) wipeState(state);
      hostKey.wipe();
      throw thrown;
    }
  }

  /**
   * Makes an empty state with a new checkpoint key; the folder (0700) and the key file of a `file:` source are made
   * when they are missing. With `recover`, what is there is kept aside under another name; without, it is an error. No second
   * before `fence` (Unix time) is signed for: what was lost may have been.
   * @throws CustodyError STATE_EXISTS, STATE_OWNER, STATE_WRITE, HOST_KEY
   */
  static create(
    folder: string,
    source: HostKeySource,
    options: { readonly recover?: boolean; readonly fence?: number } = {},
  ): void {
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
    } catch (thrown) {
      throw toCustodyError(thrown, 'STATE_WRITE');
    }
    checkFolder(folder);
    setAside(folder, options.recover ?? false);
    if (source.kind === 'file' && !exists(source.path)) createHostKeyFile(source.path);
    const hostKey = deriveHostKey(source, PURPOSE);
    let state: KeyholderState | undefined;
    try {
      state = emptyState();
      // Marks first: a state without marks would be an error at the next start, marks without a state are nothing.
      const marks = MarkLog.create(join(folder, 'marks'), state.id);
      marks.raiseFloor(options.fence ?? 0);
      marks.close();
      replaceFile(join(folder, 'state'), sealState(state, hostKey));
    } finally {
      if (state !== undefined) wipeState(state);
      hostKey.wipe();
    }
  }

  get state(): KeyholderState {
    return this.#state;
  }

  /**
   * Replaces parts of the state, durably, before it returns. The caller wipes secrets that it dropped, afterwards.
   * When it throws, the state in memory is the old one. @throws CustodyError STATE_WRITE, STATE_CORRUPT
   */
  save(changes: Partial<Omit<KeyholderState, 'id' | 'generation' | 'checkpointSeed'>>): void {
    const next = { ...this.#state, ...changes, generation: this.#state.generation + 1n };
    replaceFile(this.#path, sealState(next, this.#hostKey));
    this.#state = next;
    try {
      this.marks.recordGeneration(next.generation);
    } catch {
      // The state is on disk. Marks that cannot be written refuse the next signature by themselves.
    }
  }

  /** An operator's word: every PIN may be tried again. @throws CustodyError STATE_WRITE */
  forgetPins(): void {
    this.save({ pins: [], refusedPins: [] });
  }

  /** Wipes everything and lets go of the files. */
  close(): void {
    wipeState(this.#state);
    this.#hostKey.wipe();
    this.marks.close();
  }
}

function emptyState(): KeyholderState {
  const id = new Uint8Array(16);
  fillRandom(id);
  return {
    id,
    generation: 1n,
    listSerial: 0,
    listDigest: new Uint8Array(32),
    refusedPins: [],
    pins: [],
    checkpointSeed: Secret.random(32),
    services: [],
    spareKeys: [],
    takenPins: [],
  };
}

function checkFolder(folder: string): void {
  let fit: boolean;
  try {
    const stat = lstatSync(folder);
    fit = stat.isDirectory() && stat.uid === process.geteuid?.() && (stat.mode & 0o077) === 0;
  } catch (cause) {
    throw new CustodyError('STATE_MISSING', undefined, { cause });
  }
  if (!fit) throw new CustodyError('STATE_OWNER');
}

function setAside(folder: string, recover: boolean): void {
  const suffix = `.old-${Date.now()}`;
  try {
    for (const name of ['state', 'marks']) {
      const path = join(folder, name);
      if (!exists(path)) continue;
      if (!recover) throw new CustodyError('STATE_EXISTS');
      renameSync(path, `${path}${suffix}`);
    }
    syncFolder(folder);
  } catch (thrown) {
    throw toCustodyError(thrown, 'STATE_WRITE');
  }
}

function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
