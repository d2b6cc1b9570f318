import type { ControlPort } from './control/commands.ts';
import { ControlError } from './control/error.ts';
import type { HsDescEvent } from './control/events.ts';
import { commandAndWait, type DirectoryAnswer, type DirectoryQuery } from './hs-desc.ts';
import type { UploadOutcome } from './plan.ts';

/** Status of tor's reply to HSPOST for a server that is not in its consensus, and for a text that it cannot read. */
const UNKNOWN_SERVER = 552;
const INVALID_DESCRIPTOR = 554;

/**
 * Hands one finished text to one HSDir: HSPOST with SERVER= and HSADDRESS=, then HS_DESC UPLOADED or FAILED, or
 * nothing within the limit. Throws ControlError only when the connection to tor is over.
 */
export async function uploadDescriptor(
  tor: ControlPort,
  query: DirectoryQuery,
  text: string,
): Promise<UploadOutcome> {
  try {
    const send = async (): Promise<void> => tor.hsPost(text, [query.fingerprint], query.address);
    const event = await commandAndWait(tor, query, send, isUploadEnd);
    if (event === undefined) return { result: 'timeout' };
    if (event.action === 'UPLOADED') return { result: 'uploaded' };
    const rejected = event.reason === 'UPLOAD_REJECTED';
    return { result: rejected ? 'rejected' : 'failed', code: safeReason(event.reason) };
  } catch (thrown) {
    if (!(thrown instanceof ControlError) || thrown.code !== 'CONTROL_REPLY') throw thrown;
    return { result: 'failed', code: codeOfReply(thrown.replyStatus) };
  }
}

function isUploadEnd(event: DirectoryAnswer): event is HsDescEvent {
  if (event.type !== 'HS_DESC') return false;
  return event.action === 'UPLOADED' || event.action === 'FAILED';
}

/** Tor's reasons are words in capitals; anything else is not repeated. */
function safeReason(reason: string | undefined): string {
  return reason !== undefined && /^[A-Z_]{1,32}$/u.test(reason) ? reason : 'UNKNOWN';
}

function codeOfReply(status: number | undefined): string {
  if (status === UNKNOWN_SERVER) return 'HSDIR_UNKNOWN';
  return status === INVALID_DESCRIPTOR ? 'DESCRIPTOR_INVALID' : `REPLY_${status ?? 0}`;
}
