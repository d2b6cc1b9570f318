import type { NetworkProfile, TimePeriod } from '../../../src/descriptor/index.ts';
import { encodeBase64 } from '../../../src/descriptor/bytes.ts';
import { formatOnionAddress } from '../../../src/descriptor/onion-address.ts';
import { timePeriodAt } from '../../../src/descriptor/time.ts';
import { ControlError } from '../../../src/publisher/control/error.ts';
import type { HsDescEvent } from '../../../src/publisher/control/events.ts';
import { readNetworkView, readValidAfter } from '../../../src/publisher/network-view.ts';
import type { TorNetwork } from '../../tor-network/tor-network.ts';
import type { TorNode } from '../../tor-network/tor-node.ts';
import { inTurns } from '../fetch-text.ts';
import { type Made, type Mutant, build } from './make.ts';
import { RawPost } from './raw-post.ts';

const PATIENCE_MS = 30_000;
const ATTEMPTS = 8;
const AT_ONCE = 16;
const BATCH = 96;

/** What stock tor makes of a mutant. Undefined: it was not asked. */
export interface TorVerdict {
  /** Its own reading at HSPOST, then a directory's. */
  readonly outer: boolean;
  /** Its client's: HS_DESC RECEIVED or FAILED with BAD_DESC. */
  readonly whole: boolean | undefined;
  /** Of a mutant of a point: whether it can use that point. */
  readonly point: boolean | undefined;
}

/** A mutant with tor's verdict on exactly these bytes. */
export interface Judged extends TorVerdict {
  readonly made: Made;
}

interface Answer {
  readonly stored: boolean;
  readonly taken: boolean | undefined;
  /** By a directory, after tor's own reading took it. */
  readonly rejected?: boolean;
}

/** Stores mutants at directories of stock tor and fetches them with a client of stock tor. */
export class TorJudge {
  readonly #network: TorNetwork;
  readonly #profile: NetworkProfile;
  readonly #post: RawPost;
  readonly #servers: readonly string[];
  /** Answers that were lost, each asked for again. */
  lost = 0;
  #turn = 0;

  private constructor(
    network: TorNetwork,
    profile: NetworkProfile,
    post: RawPost,
    servers: readonly string[],
  ) {
    this.#network = network;
    this.#profile = profile;
    this.#post = post;
    this.#servers = servers;
  }

  static async open(network: TorNetwork, profile: NetworkProfile): Promise<TorJudge> {
    const { hsdirs } = await readNetworkView(network.publisher.control);
    const servers = hsdirs.map(({ fingerprint }) => Buffer.from(fingerprint).toString('hex').toUpperCase());
    // On a loaded machine circuits are slow, and tor would give up those slower than it is used to.
    for (const { control } of [network.client, network.publisher])
      await control.connection.send('SETCONF LearnCircuitBuildTimeout=0 CircuitBuildTimeout=60');
    return new TorJudge(network, profile, await RawPost.open(network.publisher), servers);
  }

  close(): void {
    this.#post.close();
  }

  /** All verdicts, in order. Between batches every circuit to a directory is closed: tor keeps one for each text. */
  async judgeAll(mutants: readonly Mutant[]): Promise<Judged[]> {
    const judged: Judged[] = [];
    while (judged.length < mutants.length) {
      const batch = mutants.slice(judged.length, judged.length + BATCH);
      judged.push(...(await inTurns(batch, AT_ONCE, each => this.judge(each))));
      await Promise.all([this.#network.client, this.#network.publisher].map(closeCircuits));
    }
    return judged;
  }

  async judge(mutant: Mutant): Promise<Judged> {
    const { made, stored, taken } = await this.#ask(mutant, false);
    const verdict = { made, outer: stored, whole: taken };
    if (mutant.kind.level !== 'point' || taken !== true) return { ...verdict, point: undefined };
    const crowded = await this.#ask(mutant, true);
    // One point more than tor allows: refused exactly when it can use all.
    if (crowded.taken === undefined) throw new Error(`a crowded mutant is too large: ${mutant.kind.name}`);
    return { ...verdict, point: !crowded.taken };
  }

  /**
   * A lost answer is no verdict: everything is done again under another identity. Nor is one refusal by a directory
   * of what tor itself has taken: an upload that was sent twice is refused for its counter.
   */
  async #ask(mutant: Mutant, crowded: boolean): Promise<Answer & { readonly made: Made }> {
    let rejections = 0;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const label = `${mutant.seed} ${mutant.serial} ${crowded ? 'crowded' : 'alone'} ${attempt}`;
      const period = await this.#period();
      const made = build(
        mutant,
        { label, period, at: Math.floor(Date.now() / 1000) },
        this.#profile,
        crowded,
      );
      try {
        const answer = await this.#answer(made, mutant.kind.elsewhere === true);
        if (answer?.rejected === true) rejections++;
        if (answer !== undefined && (answer.rejected !== true || rejections === 2))
          return { ...answer, made };
      } catch (error) {
        if (!(error instanceof ControlError && error.code === 'CONTROL_TIMEOUT')) throw error;
      }
      this.lost++;
    }
    throw new Error(`tor gave no verdict on mutant ${mutant.serial}: ${mutant.kind.name}`);
  }

  /** The one of which clients fetch now. */
  async #period(): Promise<TimePeriod> {
    return timePeriodAt(this.#profile, await readValidAfter(this.#network.client.control));
  }

  /** Undefined when tor found nothing where it was just stored: the period ended on the way. */
  async #answer(made: Made, elsewhere: boolean): Promise<Answer | undefined> {
    const address = formatOnionAddress(made.kpHsId).slice(0, 56);
    const server = this.#servers[this.#turn++ % this.#servers.length]!;
    const { client, publisher } = this.#network;
    const stored = await once(publisher, address, ['UPLOADED', 'FAILED'], async () => {
      const status = await this.#post.post(made.text, server, address);
      return status === 250;
    });
    if (stored === undefined) return { stored: false, taken: undefined };
    if (stored.reason === 'UPLOAD_REJECTED') return { stored: false, taken: undefined, rejected: true };
    if (stored.action === 'FAILED') return undefined;
    if (elsewhere) return { stored: true, taken: undefined };
    if (made.client !== undefined)
      await client.control.connection.send(
        `ONION_CLIENT_AUTH_ADD ${address} x25519:${encodeBase64(made.client)}`,
      );
    const fetched = await once(client, address, ['RECEIVED', 'FAILED'], async () => {
      await client.control.hsFetch(address, [server]);
      return true;
    });
    if (fetched?.action === 'RECEIVED') return { stored: true, taken: true };
    // A client that has gone on to the next period meanwhile reads with another blinded key.
    const { periodNum } = await this.#period();
    const isVerdict = fetched?.reason === 'BAD_DESC' && periodNum === made.period.periodNum;
    return isVerdict ? { stored: true, taken: false } : undefined;
  }
}

async function closeCircuits({ control }: TorNode): Promise<void> {
  const { 'circuit-status': status } = await control.getInfo(['circuit-status']);
  for (const [, id = ''] of status.matchAll(/^(\d+) .* PURPOSE=HS_\w+_HSDIR/gmu)) {
    // One that has ended by itself meanwhile is unknown to tor.
    await control.connection.send(`CLOSECIRCUIT ${id}`).catch((error: unknown) => {
      if (!(error instanceof ControlError && error.code === 'CONTROL_REPLY')) throw error;
    });
  }
}

/** The event that a command causes; undefined when tor refused the command. Throws CONTROL_TIMEOUT. */
async function once(
  { control }: TorNode,
  address: string,
  actions: readonly HsDescEvent['action'][],
  command: () => Promise<boolean>,
): Promise<HsDescEvent | undefined> {
  const over = new AbortController();
  const patience = { timeoutMs: PATIENCE_MS, signal: over.signal };
  const event = control.waitFor(
    'HS_DESC',
    e => e.address === address && actions.includes(e.action),
    patience,
  );
  try {
    return (await command()) ? await event : undefined;
  } finally {
    over.abort();
  }
}
