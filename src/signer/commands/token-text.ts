import { CustodyError } from '../../pkcs11/error.ts';
import type { Finding, ProbeReport } from '../../pkcs11/probe-report.ts';
import type { FailingSlot } from '../../pkcs11/token-facts.ts';

/** One line for a slot of which nothing else is known. */
export function formatFailing({ position, description, code, ckr }: FailingSlot): string {
  const name = description === '' ? '' : ` (${description})`;
  const said = ckr === 0 ? code : `${code}, CKR 0x${ckr.toString(16)}`;
  return `slot ${position}${name}: ${said}: ${new CustodyError(code).message}\n`;
}

/** A probe for people: what the token says, each line, and the verdict. */
export function formatProbe({ token, module, flags, login, findings, custody, advice }: ProbeReport): string {
  const lines = [
    `token    ${token.label}: ${token.manufacturer} ${token.model}, firmware ${token.firmware}, serial ${token.serial}`,
    `module   ${module.manufacturer}, ${module.description} ${module.version}, PKCS#11 ${module.cryptoki}`,
    `says     ${[...flags, `sessions: ${sessionsText(token.maxSessions)}`].join(', ')}`,
    ...(login === '' ? [] : [`no login ${login}: nothing was tried`]),
    '',
    ...findings.map(lineOf),
    '',
    ...custody.map(
      ({ custody: name, carried, why }) => `${name.padEnd(20)}${carried ? 'yes' : 'no '}  ${why.join('; ')}`,
    ),
    '',
    advice.prepare === undefined
      ? 'Identities cannot be sealed to this token.'
      : `Seal to it: onion-signer token prepare URI --pin SOURCE --kind ${advice.prepare}`,
    advice.periodKeys === 'token'
      ? 'In signer.yaml period_keys: token is possible: a process stays logged in, and the site is as available as the token.'
      : 'In signer.yaml leave period_keys: keyholder.',
  ];
  return `${lines.join('\n')}\n`;
}

function lineOf({ title, outcome, detail, ckr, perSecond, listed }: Finding): string {
  const more = [
    detail,
    ckr === 0 ? '' : `CKR 0x${ckr.toString(16)}`,
    perSecond === 0 ? '' : `about ${perSecond}/s`,
    // What a token says and what it does are two things.
    outcome === 'works' && listed === false ? 'although not listed' : '',
    outcome === 'refused' && listed === true ? 'although listed' : '',
  ].filter(text => text !== '');
  return `${title.padEnd(48)}${outcome.padEnd(8)} ${more.join(', ')}`.trimEnd();
}

function sessionsText(most: number): string {
  if (most === 0) return 'no limit';
  return most === 0xffff_ffff ? 'not said' : `at most ${most}`;
}
