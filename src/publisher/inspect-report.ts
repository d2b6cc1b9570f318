import type { DescriptorErrorCode, ExaminedLayer, ExaminedPart } from '../descriptor/index.ts';
import type { DiagnosisReason } from './inspect-diagnosis.ts';
import type { Origin } from './inspect-origin.ts';

/** What inspecting finds beside the codes of the descriptor library. */
export const INSPECT_CODES = [
  'PERIOD_OVER',
  'PERIOD_AHEAD',
  'HSDIRS_DIFFER',
  'HSDIR_LACKS',
  'HSDIR_BAD_TEXT',
  'HSDIR_SILENT',
  'NOTHING_REACHED',
] as const;
export type FindingCode = DescriptorErrorCode | (typeof INSPECT_CODES)[number];

/** Something wrong: a code, where, what was expected, why it probably is so, and what to do next. */
export type Finding = {
  readonly code: FindingCode;
  readonly layer?: ExaminedLayer;
  readonly part?: ExaminedPart;
  /** Which introduction point, from 1. */
  readonly point?: number;
  /** Lines from 1 and bytes from 0 of the layer's text; without a line, bytes of a certificate or link specifier. */
  readonly line?: number;
  readonly offset?: number;
  readonly message: string;
  readonly reason: DiagnosisReason;
  readonly advice: string;
};

/** Worth knowing, but nothing is wrong. */
export type Remark = { readonly code: RemarkCode; readonly message: string };
export const REMARK_CODES = [
  'RESTRICTED',
  'CLIENT_KEY_NOT_NEEDED',
  'CAA_UNKNOWN_TAG',
  'CAA_UNKNOWN_CRITICAL',
  'UNKNOWN_LINES',
  'TIMES_DIFFER',
  'COPY_OLD',
  'RING_INCOMPLETE',
] as const;
export type RemarkCode = (typeof REMARK_CODES)[number];

/** ISO 8601, UTC, whole seconds. */
export type Span = { readonly from: string; readonly to: string };

/** What any HSDir sees. Keys in base64 without padding. */
export type HsDirSight = {
  readonly bytes: number;
  readonly kpHsBlindId: string;
  readonly kpHsDescSign: string;
  readonly revisionCounter: string;
  readonly lifetimeMinutes: number;
  readonly certExpires: string;
  readonly superencryptedBytes: number;
  /** Whether the padding is stock tor's: a multiple of 10,000 bytes. */
  readonly paddedLikeTor: boolean;
  readonly unknownLines: number;
};

export type PointSight = {
  /** Place in the layer, from 1. */
  readonly place: number;
  readonly link: readonly string[];
  readonly onionKey: string;
  readonly authKey: string;
  readonly encKey: string;
  readonly authCertExpires: string;
  readonly encCertExpires: string;
  readonly legacy: boolean;
  /** A certificate of it is bad: tor's clients skip it, Arti's refuse the descriptor. */
  readonly dropped: boolean;
};

/** What a client that knows the address sees besides. */
export type ClientSight = {
  readonly authType?: string;
  readonly authClientLines: number;
  readonly caaCritical: boolean;
  /** The inner layer does not open without a client's key. */
  readonly restricted: boolean;
  /** With which key the inner layer was opened, if it was. */
  readonly opened: 'address' | 'client key' | 'no';
  readonly points: readonly PointSight[];
  readonly flowControl?: { readonly versions: string; readonly sendmeInc: number };
  readonly pow?: { readonly suggestedEffort: number; readonly expires: string };
  readonly singleOnionService: boolean;
  readonly caa: readonly { readonly flags: number; readonly tag: string; readonly value: string }[];
  readonly unknownLines: number;
};

/** The period, and whether descriptors of it are published: `first` on the older ring, `second` on the newer. */
export type PeriodSight = {
  readonly periodNum: number;
  readonly lengthMinutes: number;
  readonly starts: string;
  readonly published: Span;
  readonly role: 'first' | 'second' | 'over' | 'ahead';
  /** Whether clients ask for the descriptor of this period now. */
  readonly askedFor: boolean;
};

/** When it was made: by its expiry as stock tor rounds it, by its counter, and by both where they agree. */
export type MadeSight = {
  readonly byCertificate: Span;
  readonly byCounter?: Span;
  readonly both?: Span;
};

/** `to` is the last moment; `from` where only an interval is known. */
export type ExpirySight = {
  readonly what: 'signing key' | 'auth-key' | 'enc-key' | 'copy at an HSDir';
  readonly point?: number;
  readonly from?: string;
  readonly to: string;
  readonly expired: boolean;
};

/** Lines of a layer that is not well-formed, before the first fault. Escaped and cut. */
export type ReadableSight = {
  readonly layer: ExaminedLayer;
  readonly lines: readonly string[];
  /** How many more were read. */
  readonly more: number;
};

/** One HSDir's answer. */
export type HsDirAnswer = {
  /** 40 hex digits, upper case. */
  readonly fingerprint: string;
  /** Whether clients ask it too, or only the service stores there. */
  readonly askedByClients: boolean;
  readonly result: 'served' | 'failed';
  /** With `failed`: NOT_FOUND, TIMEOUT, or tor's reason. */
  readonly code?: string;
  readonly bytes?: number;
  readonly revisionCounter?: string;
  /** SHA-256 of the text. */
  readonly digest?: string;
};

export type NetworkSight = {
  readonly address: string;
  readonly validAfter: string;
  readonly votingInterval: number;
  readonly periodNum: number;
  readonly all: boolean;
  /** Whether all that served have one text. */
  readonly agree: boolean;
  /** Digest of the text that the rest of the report is about. */
  readonly shown?: string;
  readonly hsdirs: readonly HsDirAnswer[];
};

/** The whole of an inspection: what `--json` prints. `format` changes when a member changes its meaning. */
export type InspectReport = {
  readonly format: 1;
  readonly network?: NetworkSight;
  readonly hsdir?: HsDirSight;
  readonly client?: ClientSight;
  readonly period?: PeriodSight;
  readonly made?: MadeSight;
  readonly expires?: readonly ExpirySight[];
  readonly origin?: Origin;
  readonly readable?: readonly ReadableSight[];
  /** Empty when nothing is wrong. */
  readonly findings: readonly Finding[];
  readonly remarks: readonly Remark[];
  /** 0 well, 1 readable but something is off, 2 unusable input or nothing reached. */
  readonly exitCode: 0 | 1 | 2;
};

/** Unix seconds as ISO 8601, UTC. */
export function iso(seconds: number): string {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? 'out of range' : `${date.toISOString().slice(0, 19)}Z`;
}

export function spanOf({ from, to }: { readonly from: number; readonly to: number }): Span {
  return { from: iso(from), to: iso(to) };
}

/** Foreign text as it may be shown: printable ASCII, all else escaped, cut after `max` characters. */
export function shown(text: string, max = 200): string {
  const cut = text.length > max ? `${text.slice(0, max)}… (${text.length} characters)` : text;
  return printable(cut);
}

/** Text as it may be shown: anything but printable ASCII is escaped. */
export function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/gu, character => `\\u{${character.codePointAt(0)?.toString(16) ?? '?'}}`);
}
