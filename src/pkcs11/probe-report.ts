// The result of a probe: for programs as it is, and the source of every text about it.

import type { CustodyErrorCode } from './error.ts';
import {
  CKF_LOGIN_REQUIRED,
  CKF_PROTECTED_AUTHENTICATION_PATH,
  CKF_USER_PIN_COUNT_LOW,
  CKF_USER_PIN_FINAL_TRY,
  CKF_USER_PIN_LOCKED,
  CKF_USER_PIN_TO_BE_CHANGED,
  CKF_WRITE_PROTECTED,
} from './pkcs11-constants.ts';
import { PROBE_LINES, PROBED_MECHANISMS, type ProbeLineId, type Tried } from './probe-lines.ts';
import type { Sighting } from './probe-messages.ts';
import { adviceOn, type Advice, type Custody, judgeCustody, type Tries } from './probe-verdict.ts';
import type { ModuleFacts, TokenFacts } from './token-facts.ts';

/** What each flag of CK_TOKEN_INFO means for us. */
const FLAGS = [
  ['login required', CKF_LOGIN_REQUIRED],
  ['write protected', CKF_WRITE_PROTECTED],
  ['PIN pad', CKF_PROTECTED_AUTHENTICATION_PATH],
  ['a wrong PIN was counted', CKF_USER_PIN_COUNT_LOW],
  ['the final try of the PIN is left', CKF_USER_PIN_FINAL_TRY],
  ['PIN locked', CKF_USER_PIN_LOCKED],
  ['PIN to be changed', CKF_USER_PIN_TO_BE_CHANGED],
] as const;
export type FlagWords = (typeof FLAGS)[number][0];

/** One line. */
export interface Finding extends Tried {
  readonly line: ProbeLineId;
  readonly title: string;
  /** Whether the token lists the mechanism; absent where a line has none. */
  readonly listed?: boolean;
}

export interface ProbedMechanism {
  readonly name: string;
  readonly listed: boolean;
  /** As the token says, in its unit; 0 when it is not listed. */
  readonly minKeySize: number;
  readonly maxKeySize: number;
}

/** `format` rises with each change that a reader could notice. */
export interface ProbeReport {
  readonly format: 1;
  readonly module: ModuleFacts;
  readonly token: Omit<TokenFacts, 'flags'>;
  readonly flags: readonly FlagWords[];
  /** '' after a login; else why no PIN was tried. */
  readonly login: CustodyErrorCode | '';
  readonly mechanisms: readonly ProbedMechanism[];
  readonly findings: readonly Finding[];
  readonly custody: readonly Custody[];
  readonly advice: Advice;
}

/** Puts together what was seen and tried. */
export function reportOf(
  { module, token, mechanisms }: Sighting,
  login: CustodyErrorCode | '',
  tries: Tries,
): ProbeReport {
  const { flags, ...names } = token;
  const listed = new Map(mechanisms.map(each => [each.type, each]));
  const custody = judgeCustody(tries);
  return {
    format: 1,
    module,
    token: names,
    flags: FLAGS.filter(([, bit]) => (flags & bit) !== 0).map(([words]) => words),
    login,
    mechanisms: [...PROBED_MECHANISMS].map(([type, name]) => {
      const { minKeySize = 0, maxKeySize = 0 } = listed.get(type) ?? {};
      return { name, listed: listed.has(type), minKeySize, maxKeySize };
    }),
    findings: PROBE_LINES.map(({ id, title, mechanism }) => ({
      line: id,
      title,
      ...(mechanism === undefined ? {} : { listed: listed.has(mechanism) }),
      ...tries[id],
    })),
    custody,
    advice: adviceOn(custody),
  };
}
