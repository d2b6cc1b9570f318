import { ControlError } from './error.ts';
import { parseReplyArguments, type Reply } from './grammar.ts';

/** A directory as tor prints it: `$FINGERPRINT~nickname`. */
export interface HsDirName {
  /** 40 hex digits, upper case. */
  readonly fingerprint: string;
  readonly nickname?: string;
}

const HS_DESC_ACTIONS = [
  'REQUESTED',
  'RECEIVED',
  'FAILED',
  'IGNORE',
  'CREATED',
  'UPLOAD',
  'UPLOADED',
] as const;
export type HsDescAction = (typeof HS_DESC_ACTIONS)[number];

/** `650 HS_DESC` (control-spec, HS_DESC): what became of a descriptor at one directory. */
export interface HsDescEvent {
  readonly type: 'HS_DESC';
  readonly action: HsDescAction;
  /** 56 characters without `.onion`; undefined when tor says UNKNOWN. */
  readonly address: string | undefined;
  readonly hsDir: HsDirName | undefined;
  /** Blinded key, base64 without padding (43 characters). Tor leaves it out of UPLOADED. */
  readonly kpHsBlindId: string | undefined;
  /** With FAILED: NOT_FOUND, BAD_DESC, UPLOAD_REJECTED, UNEXPECTED, … */
  readonly reason: string | undefined;
}

/** `650+HS_DESC_CONTENT` (control-spec, HS_DESC_CONTENT): the text that a fetch brought. */
export interface HsDescContentEvent {
  readonly type: 'HS_DESC_CONTENT';
  readonly address: string | undefined;
  readonly kpHsBlindId: string | undefined;
  readonly hsDir: HsDirName | undefined;
  /** Descriptor with LF line ends; empty when the fetch failed. Latin-1, one character per byte. */
  readonly text: string;
}

/** `650 STATUS_CLIENT` (control-spec, STATUS_CLIENT), for instance BOOTSTRAP with PROGRESS=100. */
export interface StatusClientEvent {
  readonly type: 'STATUS_CLIENT';
  readonly severity: string;
  readonly action: string;
  readonly keywords: ReadonlyMap<string, string>;
}

/** `650+NEWCONSENSUS` (control-spec, NEWCONSENSUS): tor has taken a new consensus. */
export interface NewConsensusEvent {
  readonly type: 'NEWCONSENSUS';
  /** Router statuses, LF line ends. Read the consensus with GETINFO instead where flags matter. */
  readonly routerStatuses: string;
}

/** `650 SIGNAL` (control-spec, SIGNAL event): tor has acted on a signal; NEWNYM may be held back for 10 s. */
export interface SignalEvent {
  readonly type: 'SIGNAL';
  readonly signal: string;
}

export type ControlEvent =
  | HsDescEvent
  | HsDescContentEvent
  | StatusClientEvent
  | NewConsensusEvent
  | SignalEvent;
export type ControlEventType = ControlEvent['type'];

/**
 * Reads one asynchronous reply (status 650). Returns undefined for events and actions that we do not use.
 * Throws CONTROL_SYNTAX when a known event lacks its parts.
 */
export function parseControlEvent(reply: Reply): ControlEvent | undefined {
  const [first] = reply.lines;
  const text = first?.text ?? '';
  const type = text.split(' ', 1)[0] ?? '';
  const rest = text.slice(type.length + 1);
  switch (type) {
    case 'HS_DESC':
      return parseHsDesc(rest);
    case 'HS_DESC_CONTENT':
      return parseHsDescContent(rest, first?.data);
    case 'STATUS_CLIENT':
      return parseStatusClient(rest);
    case 'NEWCONSENSUS':
      return { type: 'NEWCONSENSUS', routerStatuses: first?.data ?? '' };
    case 'SIGNAL':
      return { type: 'SIGNAL', signal: rest };
    default:
      return undefined;
  }
}

function parseHsDesc(rest: string): HsDescEvent | undefined {
  const { positional, keywords } = parseReplyArguments(rest);
  const [actionWord, address, authType, hsDir, kpHsBlindId] = positional;
  const action = HS_DESC_ACTIONS.find(known => known === actionWord);
  if (action === undefined) return undefined;
  if (authType === undefined) throw missing('HS_DESC');
  return {
    type: 'HS_DESC',
    action,
    address: known(address),
    hsDir: parseHsDirName(hsDir),
    kpHsBlindId: known(kpHsBlindId),
    reason: keywords.get('REASON'),
  };
}

function parseHsDescContent(rest: string, data: string | undefined): HsDescContentEvent {
  const [address, kpHsBlindId, hsDir] = parseReplyArguments(rest).positional;
  if (hsDir === undefined || data === undefined) throw missing('HS_DESC_CONTENT');
  return {
    type: 'HS_DESC_CONTENT',
    address: known(address),
    kpHsBlindId: known(kpHsBlindId),
    hsDir: parseHsDirName(hsDir),
    text: data === '\n' ? '' : data,
  };
}

function parseStatusClient(rest: string): StatusClientEvent {
  const { positional, keywords } = parseReplyArguments(rest);
  const [severity, action] = positional;
  if (severity === undefined || action === undefined) throw missing('STATUS_CLIENT');
  return { type: 'STATUS_CLIENT', severity, action, keywords };
}

function parseHsDirName(text: string | undefined): HsDirName | undefined {
  if (known(text) === undefined) return undefined;
  const match = /^\$([0-9A-Fa-f]{40})(?:[~=]([A-Za-z0-9]{1,19}))?$/u.exec(text ?? '');
  if (match?.[1] === undefined) throw missing('A directory name');
  const fingerprint = match[1].toUpperCase();
  return match[2] === undefined ? { fingerprint } : { fingerprint, nickname: match[2] };
}

function known(word: string | undefined): string | undefined {
  return word === 'UNKNOWN' ? undefined : word;
}

function missing(event: string): ControlError {
  return new ControlError('CONTROL_SYNTAX', `${event} lacks a part; this tor may be newer than we know.`);
}
