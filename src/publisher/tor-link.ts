import type { PublisherConfig } from './config.ts';
import { ControlPort } from './control/commands.ts';
import { codeOf } from './error.ts';
import type { PublisherLog } from './log.ts';
import { type NetworkView, readNetworkView, readValidAfter } from './network-view.ts';
import type { PublisherState } from './state.ts';

const RECONNECT_MIN = 1;
const RECONNECT_MAX = 30;
/** Tor sleeps after a day without clients; a publisher needs it awake. */
const KEEP_ACTIVE_SECONDS = 3600;
/** While microdescriptors are missing all of them are read again, but not at every poll. */
const POLLS_UNTIL_COMPLETE = 5;

export type TorLinkOptions = {
  readonly config: PublisherConfig;
  readonly state: PublisherState;
  readonly log: PublisherLog;
  readonly now: () => number;
  readonly wake: () => void;
};

/** The connection to tor and the newest consensus: made again whenever tor goes away, read again when it changes. */
export class TorLink {
  readonly #options: TorLinkOptions;
  #port: ControlPort | undefined;
  #view: NetworkView | undefined;
  #connectAt = 0;
  #failures = 0;
  #readAt = 0;
  #activeAt = 0;
  #completeAt = 0;
  #busy = false;
  #closed = false;

  constructor(options: TorLinkOptions) {
    this.#options = options;
  }

  get port(): ControlPort | undefined {
    return this.#port?.closed === undefined ? this.#port : undefined;
  }

  get view(): NetworkView | undefined {
    return this.#view;
  }

  /** Starts what is due: connecting, or looking at the consensus every `pollSeconds`. */
  tick(now: number, pollSeconds: number): void {
    if (this.#busy || this.#closed) return;
    const port = this.port;
    if (port === undefined && now >= this.#connectAt) this.#start(this.#connect());
    else if (port !== undefined && now >= this.#readAt) this.#start(this.#read(port, pollSeconds));
  }

  /** Ends the connection for good. */
  close(): void {
    this.#closed = true;
    this.#port?.close();
  }

  #start(task: Promise<void>): void {
    this.#busy = true;
    task
      .catch((thrown: unknown) => this.#fail(thrown))
      .finally(() => {
        this.#busy = false;
        this.#options.wake();
      });
  }

  async #connect(): Promise<void> {
    const { config, log, now, state } = this.#options;
    const { control, cookieFile } = config.tor;
    const port = await ControlPort.open(control, cookieFile === undefined ? {} : { cookiePath: cookieFile });
    if (this.#closed) return port.close();
    port.setMaxListeners(0);
    port.on('close', reason => {
      if (this.#port !== port || this.#closed) return;
      state.tor = { ...state.tor, connected: false, since: now(), code: reason.code };
      log.warn('tor went away', { code: reason.code });
      this.#options.wake();
    });
    const changed = (): void => {
      this.#readAt = 0;
      this.#options.wake();
    };
    port.on('NEWCONSENSUS', changed).on('STATUS_CLIENT', event => {
      if (event.action === 'CONSENSUS_ARRIVED') changed();
    });
    await port.setEvents(['HS_DESC', 'HS_DESC_CONTENT', 'STATUS_CLIENT', 'NEWCONSENSUS']);
    this.#port = port;
    this.#failures = 0;
    this.#readAt = 0;
    this.#activeAt = 0;
    state.tor = { connected: true, since: now() };
    log.info('connected to tor');
  }

  async #read(port: ControlPort, pollSeconds: number): Promise<void> {
    const { now, log, state } = this.#options;
    this.#readAt = now() + pollSeconds;
    if (now() >= this.#activeAt) {
      await port.signal('ACTIVE');
      this.#activeAt = now() + KEEP_ACTIVE_SECONDS;
    }
    const complete = this.#view !== undefined && this.#view.hsdirs.length === this.#view.candidates;
    const again = !complete && now() >= this.#completeAt;
    if (!again && (await readValidAfter(port)) === this.#view?.validAfter) return;
    const view = await readNetworkView(port);
    this.#completeAt = now() + POLLS_UNTIL_COMPLETE * pollSeconds;
    if (isSameView(this.#view, view)) return;
    this.#view = view;
    state.tor = { ...state.tor, validAfter: view.validAfter, hsdirs: view.hsdirs.length };
    log.info('a new consensus', { count: view.hsdirs.length });
  }

  /** Tor refuses GETINFO until it has a consensus: that is waiting, not failing. */
  #fail(thrown: unknown): void {
    const { log, now, state } = this.#options;
    const code = codeOf(thrown);
    if (this.port !== undefined) {
      if (code !== 'CONTROL_REPLY') log.failure('the consensus could not be read', thrown);
      state.tor.code = code;
      return;
    }
    this.#failures += 1;
    this.#connectAt = now() + Math.min(RECONNECT_MAX, RECONNECT_MIN * 2 ** Math.min(this.#failures - 1, 10));
    state.tor = { connected: false, since: state.tor.connected ? now() : state.tor.since, code };
    if (this.#failures === 1) log.failure('tor cannot be reached', thrown);
  }
}

/** The same consensus with the same microdescriptors: its rings need not be computed again. */
function isSameView(before: NetworkView | undefined, view: NetworkView): boolean {
  return before?.validAfter === view.validAfter && before.hsdirs.length === view.hsdirs.length;
}
