import type {
  DescriptorError,
  DescriptorErrorCode,
  Examination,
  ExaminedFault,
} from '../descriptor/index.ts';

/** Why a descriptor is not what it should be, as far as it can be told, and what to do next. */
const ADVICE = {
  EMPTY: 'nothing arrived: look at the command that should have written the descriptor',
  WEB_PAGE: 'this is a web page or an HTTP answer: fetch the descriptor itself, as with inspect ADDRESS',
  OTHER_DOCUMENT: 'this is no v3 descriptor: it must begin with "hs-descriptor 3"',
  OTHER_VERSION: 'descriptors of other versions are not read; the network has only version 3 since 2021',
  LEADING_TEXT:
    'something stands before "hs-descriptor": cut it off, a control port reply has a line of its own there',
  TRAILING_TEXT:
    'something stands behind the signature: cut it off, a control port reply ends with "." and "OK"',
  CR_LINE_ENDS:
    'lines end in CR LF, as on a control port: take the CRs out (tr -d "\\r") and inspect it again',
  CUT_SHORT: 'the text ends too early: the download was cut, fetch it again',
  DAMAGED_BASE64: 'base64 was changed on the way: compare this line with the source, or fetch it again',
  DAMAGED_TEXT: 'bytes that no descriptor has: it was changed or decoded on the way, copy it as a file',
  TOO_LARGE: 'no HSDir takes it: the service must publish fewer introduction points or clients',
  MISSING_LINE:
    'a line that must be there is not: no client takes this text; look at the software that made it',
  REPEATED_LINE: 'a line stands twice: no client takes this text; look at the software that made it',
  BAD_VALUE: 'a value is outside its range: clients refuse this text; look at the software that made it',
  BAD_LINE:
    'this line is not as the specification has it: clients refuse it; look at what made or changed the text',
  BAD_CERTIFICATE:
    'this certificate is malformed or of another type: it was damaged, or its software is at fault',
  EXPIRED: 'it was good once: fetch the newest one; if that is as old, the service no longer publishes',
  ALTERED:
    'it was changed after signing, or is not of the key that it names: fetch it again from another HSDir',
  OTHER_SIGNER:
    'this certificate is of another descriptor: points cannot be copied, each signer certifies them anew',
  OTHER_ADDRESS: 'this address does not open it: compare the address with its source',
  OTHER_PERIOD:
    'the address is right, its time period is not near now or its making: is the clock of this host right?',
  OTHER_NETWORK: 'the address is right, the network another one: see the message for --voting-interval',
  OTHER_CLIENT_KEY: 'this client key is not of this service, or no longer authorized: ask its operator',
  PERIOD_OVER: 'its period is over: no HSDir is asked for it any more; fetch the newest one',
  PERIOD_AHEAD: 'its period is not published yet: keep it, or compare the clock of this host',
  OTHER_COUNTER: 'its counter is not one of tor in this period: look at the software that made it',
  BAD_ADDRESS: 'an onion address has 56 characters before .onion: compare it with its source',
  BAD_POINT:
    'clients skip this introduction point or refuse the descriptor: look at the software that made it',
  NO_POINTS: 'clients have nowhere to go: is the service running, has it circuits?',
  UPLOAD_UNDER_WAY:
    'an upload may be under way: ask again in a minute; if it stays, some HSDirs miss the uploads',
  TWO_WRITERS: 'one counter stands in two texts, which one signer never makes: who else has the key?',
  HSDIR_BAD_TEXT: 'tor refused what this HSDir gave: clients go on to another; watch this HSDir',
  HSDIR_LACKS:
    'clients that ask this HSDir do not find the service: the next upload should mend it; look at the publisher',
  HSDIR_SILENT: 'this HSDir could not be asked, which says nothing of the service: ask again',
  NOT_PUBLISHED: 'no HSDir has it: is the address right, does the service run, does its publisher upload?',
  NOT_REACHED: 'no HSDir could be asked: look at the tor of this host',
} as const;

export type DiagnosisReason = keyof typeof ADVICE;
export const DIAGNOSIS_REASONS = Object.freeze(Object.keys(ADVICE)) as readonly DiagnosisReason[];

/** What to do next. */
export function adviceFor(reason: DiagnosisReason): string {
  return ADVICE[reason];
}

const LF = 0x0a;
/** Codes whose offset alone counts in the text of the layer. */
const COUNT_IN_TEXT: ReadonlySet<string> = new Set(['BAD_SYNTAX', 'BAD_UTF8', 'BAD_LAYER']);

/** What codes of the reader mean in a text; any other is a line that is not as it should be. */
const TEXT_REASONS: Partial<Record<DescriptorErrorCode, DiagnosisReason>> = {
  TOO_LARGE: 'TOO_LARGE',
  BAD_BASE64: 'DAMAGED_BASE64',
  BAD_UTF8: 'DAMAGED_TEXT',
  UNKNOWN_VERSION: 'OTHER_VERSION',
  MISSING_ITEM: 'MISSING_LINE',
  DUPLICATE_ITEM: 'REPEATED_LINE',
  BAD_INTEGER: 'BAD_VALUE',
  BAD_LENGTH: 'BAD_VALUE',
  BAD_KEY: 'BAD_VALUE',
  POINT_COUNT: 'BAD_VALUE',
  BAD_POINT: 'BAD_POINT',
  BAD_LINK_SPECIFIER: 'BAD_POINT',
};

/** Whether it is a certificate that could not be read; the version of the descriptor stands in line 1. */
export function isInCertificate({ code, line }: DescriptorError): boolean {
  return code === 'BAD_CERT' || code === 'TRAILING_DATA' || (code === 'UNKNOWN_VERSION' && line !== 1);
}

/** The most probable reason of a fault. */
export function reasonOf(fault: ExaminedFault, examined: Examination): DiagnosisReason {
  const { layer, part, error } = fault;
  switch (part) {
    case 'period':
      return examined.middle === undefined ? 'OTHER_ADDRESS' : 'OTHER_PERIOD';
    case 'client':
      return 'OTHER_CLIENT_KEY';
    case 'encryption':
      return error.code === 'BAD_LAYER' ? 'CUT_SHORT' : 'ALTERED';
    case 'signature':
      return 'ALTERED';
    case 'certificate':
    case 'auth-key-cert':
    case 'enc-key-cert':
      return certificateReason(fault);
    case 'point':
    case 'text':
      return (layer === 'outer' ? foreignReason(examined.outer.text) : undefined) ?? textReason(fault);
  }
}

function certificateReason({ error: { code } }: ExaminedFault): DiagnosisReason {
  if (code === 'CERT_EXPIRED') return 'EXPIRED';
  if (code === 'BAD_SIGNATURE') return 'ALTERED';
  return code === 'WRONG_KEY' ? 'OTHER_SIGNER' : 'BAD_CERTIFICATE';
}

/** What the whole text is, when it is not a descriptor as it was signed. */
function foreignReason(bytes: Uint8Array): DiagnosisReason | undefined {
  const text = Buffer.from(bytes).toString('latin1');
  if (text.trim() === '') return 'EMPTY';
  if (/^\s*(?:<|HTTP\/)/u.test(text)) return 'WEB_PAGE';
  if (text.startsWith('rendezvous-service-descriptor ')) return 'OTHER_VERSION';
  if (!text.startsWith('hs-descriptor ')) {
    return /(?:^|[^\w-])hs-descriptor 3\r?\n/u.test(text) ? 'LEADING_TEXT' : 'OTHER_DOCUMENT';
  }
  if (text.includes('\r')) return 'CR_LINE_ENDS';
  if (/\n[ \t]+signature /u.test(text)) return undefined; // it is all there, and the line is at fault
  const signature = text.search(/\nsignature /u);
  const [line = '', ...after] = signature < 0 ? [] : text.slice(signature + 1).split('\n');
  const isSigned = /^signature [A-Za-z0-9+/]{86}/u.test(line);
  if (isSigned && after.some(each => each !== '')) return 'TRAILING_TEXT';
  // An end inside the signature, or none at all, with all lines before it in order.
  return !isSigned && after.every(each => each === '') ? cutReason(text, line) : undefined;
}

/** A signature line of the full length was changed, a shorter one was cut. */
function cutReason(text: string, line: string): DiagnosisReason | undefined {
  const isLong = line.length >= 'signature '.length + 86;
  return isLong || /^hs-descriptor (?!3\n)/u.test(text) ? undefined : 'CUT_SHORT';
}

function textReason({ error }: ExaminedFault): DiagnosisReason {
  return isInCertificate(error) ? 'BAD_CERTIFICATE' : (TEXT_REASONS[error.code] ?? 'BAD_LINE');
}

/**
 * Where a fault is, in the text of its layer: the line of its byte, and the very line of an object whose base64 is
 * damaged. For what is inside a certificate or a block of link specifiers, the line that holds it.
 */
export function placeOf(
  { error: { line, offset, code } }: ExaminedFault,
  text: Uint8Array | undefined,
): { readonly line?: number; readonly offset?: number } {
  const byte = code === 'BAD_UTF8' && text !== undefined ? badUtf8At(text) : offset;
  const given = {
    ...(line === undefined ? {} : { line }),
    ...(byte === undefined ? {} : { offset: byte }),
  };
  if (text === undefined) return given;
  if (line !== undefined) return (code === 'BAD_BASE64' ? damagedLine(text, line) : undefined) ?? given;
  if (byte === undefined || !COUNT_IN_TEXT.has(code)) return given;
  const before = text.subarray(0, byte).reduce((count, each) => count + Number(each === LF), 0);
  return { line: before + 1, offset: byte };
}

function badUtf8At(text: Uint8Array): number {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  return text.findIndex((_, at) => {
    try {
      decoder.decode(text.subarray(at, at + 1), { stream: true });
      return false;
    } catch {
      return true;
    }
  });
}

/** The first line behind a BEGIN line that is no base64. */
function damagedLine(text: Uint8Array, begin: number): { line: number; offset: number } | undefined {
  const lines = Buffer.from(text).toString('latin1').split('\n');
  let offset = lines.slice(0, begin).reduce((sum, each) => sum + each.length + 1, 0);
  for (let at = begin; at < lines.length; at++) {
    const each = lines[at] ?? '';
    if (each.startsWith('-----END')) return undefined;
    const wrong = each.search(/[^A-Za-z0-9+/=]|=(?!=?$)/u);
    if (wrong >= 0) return { line: at + 1, offset: offset + wrong };
    offset += each.length + 1;
  }
  return undefined;
}
