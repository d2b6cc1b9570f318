// The lines of a probe of a token: what is tried, in which order, and what each needs of the ones before.

import { CKM_EC_EDWARDS_KEY_PAIR_GEN, CKM_EDDSA } from './eddsa-constants.ts';
import {
  CKM_AES_GCM,
  CKM_AES_KEY_GEN,
  CKM_RSA_PKCS_KEY_PAIR_GEN,
  CKM_RSA_PKCS_OAEP,
} from './pkcs11-constants.ts';

/** What came of a try. `wrong`: the token did it, and not as it must. `silent`, `dead`: its process was killed, or ended. */
export const OUTCOMES = ['works', 'refused', 'wrong', 'silent', 'dead', 'untried'] as const;
export type Outcome = (typeof OUTCOMES)[number];

export interface ProbeLine {
  readonly id: ProbeLineId;
  /** For people. */
  readonly title: string;
  /** Lines that must have worked. */
  readonly needs: readonly ProbeLineId[];
  /** The mechanism that the token should list for it. */
  readonly mechanism?: number;
  /** May make an RSA key, which takes a card half a minute. */
  readonly slow?: true;
}

export const PROBE_LINE_IDS = [
  'clean',
  'sessions',
  'rsa-key',
  'rsa-held',
  'oaep-sha1',
  'oaep-sha256',
  'aes-key',
  'aes-held',
  'aes-gcm',
  'aes-gcm-refuses',
  'ed25519-key',
  'ed25519-held',
  'eddsa-14k',
  'eddsa-28k',
  'eddsa-50k',
  'nothing-left',
] as const;
export type ProbeLineId = (typeof PROBE_LINE_IDS)[number];

const RSA_KEY = { needs: ['rsa-key'], slow: true } as const;
const OAEP = { ...RSA_KEY, mechanism: CKM_RSA_PKCS_OAEP };
const EDDSA = { needs: ['ed25519-key'], mechanism: CKM_EDDSA } as const;

const LINES: Readonly<Record<ProbeLineId, Omit<ProbeLine, 'id'>>> = {
  clean: { title: 'objects of an earlier probe removed', needs: [] },
  sessions: { title: 'sessions at once', needs: [] },
  'rsa-key': {
    title: 'RSA key of 2048 bits made',
    needs: ['clean'],
    mechanism: CKM_RSA_PKCS_KEY_PAIR_GEN,
    slow: true,
  },
  'rsa-held': { title: 'RSA key cannot leave', ...RSA_KEY },
  'oaep-sha1': { title: 'RSA-OAEP with SHA-1 opened', ...OAEP },
  'oaep-sha256': { title: 'RSA-OAEP with SHA-256 opened', ...OAEP },
  'aes-key': { title: 'AES key of 256 bits made', needs: ['clean'], mechanism: CKM_AES_KEY_GEN },
  'aes-held': { title: 'AES key cannot leave', needs: ['aes-key'] },
  'aes-gcm': { title: 'AES-GCM sealed and opened', needs: ['aes-key'], mechanism: CKM_AES_GCM },
  'aes-gcm-refuses': {
    title: 'AES-GCM refuses another context and another tag',
    needs: ['aes-gcm'],
    mechanism: CKM_AES_GCM,
  },
  'ed25519-key': {
    title: 'Ed25519 key made and kept',
    needs: ['clean'],
    mechanism: CKM_EC_EDWARDS_KEY_PAIR_GEN,
  },
  'ed25519-held': { title: 'Ed25519 key cannot leave', needs: ['ed25519-key'] },
  'eddsa-14k': { title: '14,000 bytes signed in one call', ...EDDSA },
  'eddsa-28k': { title: '28,000 bytes signed in one call', ...EDDSA },
  'eddsa-50k': { title: '50,000 bytes signed in one call', ...EDDSA },
  'nothing-left': { title: 'nothing of this probe left', needs: [] },
};

/** In the order in which they are tried. */
export const PROBE_LINES: readonly ProbeLine[] = PROBE_LINE_IDS.map(id => ({ id, ...LINES[id] }));

/** What a try gave. */
export interface Tried {
  readonly outcome: Outcome;
  /** In a few words how, or why not; may be ''. */
  readonly detail: string;
  /** CKR_… of the refusal, else 0. */
  readonly ckr: number;
  /** Roughly, at this speed of the host; 0 when it was not measured. */
  readonly perSecond: number;
}

export const tried = (outcome: Outcome, detail = '', more: Partial<Tried> = {}): Tried => ({
  ckr: 0,
  perSecond: 0,
  ...more,
  outcome,
  detail,
});

/** The mechanisms of the lines, by the names of the standard. */
export const PROBED_MECHANISMS: ReadonlyMap<number, string> = new Map([
  [CKM_RSA_PKCS_KEY_PAIR_GEN, 'CKM_RSA_PKCS_KEY_PAIR_GEN'],
  [CKM_RSA_PKCS_OAEP, 'CKM_RSA_PKCS_OAEP'],
  [CKM_AES_KEY_GEN, 'CKM_AES_KEY_GEN'],
  [CKM_AES_GCM, 'CKM_AES_GCM'],
  [CKM_EC_EDWARDS_KEY_PAIR_GEN, 'CKM_EC_EDWARDS_KEY_PAIR_GEN'],
  [CKM_EDDSA, 'CKM_EDDSA'],
]);
