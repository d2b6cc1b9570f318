import type { ControlPort } from './control/commands.ts';
import { ControlError } from './control/error.ts';
import type { HsDescContentEvent, HsDescEvent } from './control/events.ts';
import { codeOf } from './error.ts';

/** One directory's answer about one address, as tor reports it. */
export type DirectoryAnswer = HsDescEvent | HsDescContentEvent;

/**
 * Sends a command and waits for the first event about `address` at the directory `fingerprint` that `accept` takes.
 * Listens before it sends. Undefined after `timeoutMs`: tor reports nothing when a circuit fails. Throws what `send`
 * throws, the reason of a closed connection, or the reason of `signal`.
 */
export async function commandAndWait<T extends DirectoryAnswer>(
  tor: ControlPort,
  { address, fingerprint, timeoutMs, signal }: DirectoryQuery,
  send: () => Promise<void>,
  accept: (event: DirectoryAnswer) => event is T,
): Promise<T | undefined> {
  signal?.throwIfAborted();
  if (tor.closed !== undefined) throw tor.closed;
  const label = address.replace(/\.onion$/u, '');
  const { promise, resolve, reject } = Promise.withResolvers<T | undefined>();
  const listener = (event: DirectoryAnswer): void => {
    if (event.address === label && event.hsDir?.fingerprint === fingerprint && accept(event)) resolve(event);
  };
  const closed = (reason: ControlError): void => reject(reason);
  const abort = (): void => reject(signal?.reason as Error);
  const timer = setTimeout(() => resolve(undefined), timeoutMs);
  tor.on('HS_DESC', listener).on('HS_DESC_CONTENT', listener).on('close', closed);
  signal?.addEventListener('abort', abort, { once: true });
  try {
    const [answer] = await Promise.all([promise, send()]);
    return answer;
  } finally {
    clearTimeout(timer);
    tor.off('HS_DESC', listener).off('HS_DESC_CONTENT', listener).off('close', closed);
    signal?.removeEventListener('abort', abort);
  }
}

/** Which directory is asked about which address (56 characters, `.onion` optional), and how long we wait. */
export type DirectoryQuery = {
  readonly address: string;
  /** 40 hex digits, upper case. */
  readonly fingerprint: string;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
};

/** What HSFETCH brought from one directory: the text (Latin-1, not empty), or why there is none. */
export type FetchedText =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly code: string };

/**
 * Asks one directory for the descriptor of the period that clients ask for. Codes: NOT_FOUND, BAD_DESC and other reasons
 * of tor's, TIMEOUT, HSDIR_UNKNOWN. Throws ControlError only when the connection to tor is over.
 */
export async function fetchDescriptorText(tor: ControlPort, query: DirectoryQuery): Promise<FetchedText> {
  const send = async (): Promise<void> => tor.hsFetch(query.address, [query.fingerprint]);
  try {
    const event = await commandAndWait(tor, query, send, isFetchEnd);
    if (event === undefined) return { ok: false, code: 'TIMEOUT' };
    if (event.type === 'HS_DESC') return { ok: false, code: safeReason(event.reason) };
    return event.text.trim() === '' ? { ok: false, code: 'NOT_FOUND' } : { ok: true, text: event.text };
  } catch (thrown) {
    if (codeOf(thrown) !== 'CONTROL_REPLY') throw thrown;
    return { ok: false, code: 'HSDIR_UNKNOWN' };
  }
}

function isFetchEnd(event: DirectoryAnswer): event is HsDescEvent | HsDescContentEvent {
  return event.type === 'HS_DESC_CONTENT' || (event.type === 'HS_DESC' && event.action === 'FAILED');
}

function safeReason(reason: string | undefined): string {
  return reason !== undefined && /^[A-Z_]{1,32}$/u.test(reason) ? reason : 'UNKNOWN';
}
