import { createHash } from 'node:crypto';
import { SignerError } from '../contract/problems.ts';
import { sshFingerprint } from '../contract/ssh-key.ts';
import { parseSshSignature, verifySshSignature } from '../contract/ssh-signature.ts';
import { type Administrator, ADMINISTRATORS } from './administrators.ts';
import { difference, formatDifference } from './difference.ts';
import { checkRetirement } from './retired.ts';
import type { ServiceNames } from './service-names.ts';
import { encodePolicy, type Policy } from './types.ts';

/** What `ssh-keygen -Y sign -n` is given: a signature that was made for anything else says nothing here. */
export const SIGNATURE_NAMESPACE = 'onion-signer-policy';

/** Which signer a proposal is for. */
export interface SignerIdentity {
  /** The log's name in checkpoints. */
  readonly origin: string;
  /** 32 hex digits. */
  readonly journal: string;
  readonly network: string;
}

/** One policy after another. */
export interface PolicyStep {
  readonly signer: SignerIdentity;
  /** In force. */
  readonly before: Policy;
  /** Of all policies that were in force. */
  readonly names: ServiceNames;
  /** Under which `after` comes into force. */
  readonly serial: number;
  readonly after: Policy;
}

/** A signature as it was given; `name` stands in messages. */
export interface SignatureFile {
  readonly name: string;
  readonly text: string;
}

/** Who signed a step, by name, and what exactly. */
export interface Approval {
  readonly proposal: Uint8Array;
  readonly signatures: readonly { readonly administrator: string; readonly text: Uint8Array }[];
}

/** How many of the administrators in force must sign: none when there are none. */
export function signaturesNeeded({ before, after }: Pick<PolicyStep, 'before' | 'after'>): number {
  const { administrators } = before;
  if (administrators === undefined) return 0;
  const { threshold, thresholdLoosening } = administrators;
  // A change of those who decide counts as one that loosens, whatever it does.
  const asksMore = difference(before, after).some(
    ({ loosens, service }) => loosens || service === ADMINISTRATORS,
  );
  return asksMore ? thresholdLoosening : threshold;
}

/**
 * The text that administrators read and sign: of this signer, this serial, this policy in force and this next one, with the
 * difference in words. Printable ASCII in lines of at most 8 KiB, each ended by LF. The words belong to the format: audits make
 * them again, years later.
 */
export function encodeProposal(step: PolicyStep): Uint8Array {
  const { signer, before, serial, after } = step;
  const words = formatDifference(difference(before, after)).replaceAll('→', '->');
  const lines = [
    'onion-signer policy proposal 1',
    `log ${signer.origin}`,
    `journal ${signer.journal}`,
    `network ${signer.network}`,
    `serial ${serial}`,
    `in force sha256:${digestOf(before)}`,
    `proposed sha256:${digestOf(after)}`,
    `signatures ${signaturesNeeded(step)} of ${before.administrators?.people.length ?? 0}`,
    '',
  ];
  return new TextEncoder().encode(`${lines.join('\n')}\n${words}`);
}

const digestOf = (policy: Policy): string => createHash('sha256').update(encodePolicy(policy)).digest('hex');

/** Nothing retired comes back, and no service changes its name. SignerError BACKEND-RETIRED, SERVICE-NAME. */
export function checkStep({ before, names, after }: PolicyStep): void {
  checkRetirement(before, after);
  names.check(after);
}

/**
 * Judges one step: what checkStep says, and enough administrators in force signed exactly this proposal, each key once.
 * Undefined when none are in force. SignerError of checkStep; POLICY_SIGNER, POLICY_SIGNATURE, POLICY_UNSIGNED.
 */
export function approveStep(step: PolicyStep, files: readonly SignatureFile[]): Approval | undefined {
  checkStep(step);
  const { administrators } = step.before;
  if (administrators === undefined) {
    if (files.length === 0) return undefined;
    throw new SignerError('POLICY_SIGNER', 'leave out --signature: no administrators are in force yet');
  }
  const proposal = encodeProposal(step);
  const signed = new Map<string, SignatureFile>();
  for (const file of files) {
    const { name } = judgeSignature(proposal, administrators.people, file);
    if (signed.has(name)) {
      throw new SignerError('POLICY_SIGNER', `${file.name}: ${name} signed already; one key counts once`);
    }
    signed.set(name, file);
  }
  const needed = signaturesNeeded(step);
  if (signed.size < needed) {
    const have = signed.size === 0 ? 'none' : [...signed.keys()].sort().join(', ');
    const message = `this needs ${needed} of ${administrators.people.length} administrators and has ${have}: have more of them sign what \`policy propose\` writes`;
    throw new SignerError('POLICY_UNSIGNED', message);
  }
  const signatures = [...signed]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([administrator, { text }]) => ({ administrator, text: new TextEncoder().encode(text) }));
  return { proposal, signatures };
}

function judgeSignature(
  proposal: Uint8Array,
  people: readonly Administrator[],
  { name, text }: SignatureFile,
): Administrator {
  const signature = parseSshSignature(text);
  if (signature === undefined) {
    const message = `${name}: give the .sig file that \`ssh-keygen -Y sign\` wrote, of a kind of key that policy takes`;
    throw new SignerError('POLICY_SIGNATURE', message);
  }
  const { blob } = signature.publicKey;
  const person = people.find(({ key }) => Buffer.from(key.blob).equals(blob));
  if (person === undefined) {
    const message = `${name}: ${sshFingerprint(blob)} is no administrator in force`;
    throw new SignerError('POLICY_SIGNER', message);
  }
  if (signature.namespace !== SIGNATURE_NAMESPACE) {
    const message = `${name}: have ${person.name} sign with -n ${SIGNATURE_NAMESPACE}`;
    throw new SignerError('POLICY_SIGNATURE', message);
  }
  if (verifySshSignature(proposal, signature)) return person;
  const message = `${name}: ${person.name} signed another text, or without touching the key: files, serial or policy changed since; run \`policy propose\` again and sign what it writes`;
  throw new SignerError('POLICY_SIGNATURE', message);
}

const ARMOURS = /-----BEGIN SSH SIGNATURE-----\n[A-Za-z0-9+/=\n]+-----END SSH SIGNATURE-----\n/g;

/** A canonical policy, which is one line, and the signatures behind it: what the daemon is sent. */
export const encodeApplication = (text: Uint8Array, signatures: readonly SignatureFile[]): Uint8Array =>
  Buffer.concat([text, Buffer.from(signatures.map(file => file.text).join(''))]);

/** SignerError REQUEST_SCHEMA when something else follows the policy. */
export function parseApplication(body: Uint8Array): { text: Uint8Array; signatures: SignatureFile[] } {
  const end = body.indexOf(0x0a) + 1;
  const rest = Buffer.from(body.subarray(end)).toString('latin1');
  const armours = rest.match(ARMOURS) ?? [];
  if (armours.join('') !== rest) {
    throw new SignerError('REQUEST_SCHEMA', 'send a canonical policy and its signatures');
  }
  const signatures = armours.map((text, i) => ({ name: `signature ${i + 1}`, text }));
  return { text: body.subarray(0, end), signatures };
}
