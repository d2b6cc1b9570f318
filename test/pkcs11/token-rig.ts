import {
  fromHex,
  type KpHsDescSign,
  parseKpHsDescSign,
  parseX25519Public,
  TOR_NETWORK,
  timePeriodAt,
} from '../../src/descriptor/index.ts';
import { boxSealOpen, x25519PublicInto } from '../../src/pkcs11/locked-memory.ts';
import { TokenClient, type TokenClientOptions } from '../../src/pkcs11/token-client.ts';
import type { SealedIdentity, SealRequest } from '../../src/pkcs11/seal-messages.ts';
import type { OpeningResult, OpenRequest } from '../../src/pkcs11/token-messages.ts';
import { createSoftHsm, type SoftHsm } from '../softhsm/create-softhsm.ts';
import chain from '../vectors/own-chain.json' with { type: 'json' };
import { type AgeProgram, createAgeProgram } from './age-program.ts';

export const DAY = 86_400;
export const kpHsDescSign: KpHsDescSign = parseKpHsDescSign(fromHex(chain.kpHsDescSign));
export const now = (): number => Math.floor(Date.now() / 1000);
export const currentPeriod = (): number => timePeriodAt(TOR_NETWORK, now()).periodNum;

/** A token with a key, an identity sealed to it and to a paper key, and requests about both. */
export interface TokenRig {
  readonly hsm: SoftHsm;
  readonly age: AgeProgram;
  readonly sealed: SealedIdentity;
  client(options?: TokenClientOptions): TokenClient;
  /** For the sealed identity, the current period and a horizon of three days. */
  openRequest(changes?: Partial<OpenRequest>, periods?: number[]): OpenRequest;
  /** For a new identity, to the token and the paper key. */
  sealRequest(changes?: Partial<SealRequest>): SealRequest;
  /** The secret of the service, opened with the box key of the requests. */
  serviceSecretOf(result: OpeningResult | undefined): Buffer;
  dispose(): Promise<void>;
}

export async function createTokenRig(): Promise<TokenRig> {
  const age = createAgeProgram();
  const hsm = await createSoftHsm();
  await hsm.makeKey();
  const boxPrivateKey = Buffer.alloc(32, 7);
  const boxPublicKey = Buffer.alloc(32);
  x25519PublicInto(boxPublicKey, boxPrivateKey);

  const client = (options: TokenClientOptions = {}) =>
    new TokenClient({ deadlineMs: 60_000, ...options, env: { ...hsm.env, ...options.env } });
  const sealRequest = (changes: Partial<SealRequest> = {}): SealRequest => ({
    tokens: [hsm.access()],
    ageRecipients: [age.recipient],
    source: { kind: 'new' },
    ...changes,
  });
  const sealed = await client().seal(sealRequest());
  const openRequest = (changes: Partial<OpenRequest> = {}, periods = [currentPeriod()]): OpenRequest => ({
    access: hsm.access(),
    profile: TOR_NETWORK,
    horizonSeconds: 3 * DAY,
    boxPublicKey: parseX25519Public(boxPublicKey),
    checkpointKey: kpHsDescSign,
    openings: [
      {
        kpHsId: sealed.kpHsId,
        envelope: sealed.envelope,
        periods: periods.map(periodNum => ({ periodNum, kpHsDescSign })),
      },
    ],
    ...changes,
  });
  const serviceSecretOf = (result: OpeningResult | undefined): Buffer => {
    const out = Buffer.alloc(32);
    const isOpen = boxSealOpen(out, opened(result).sealedServiceSecret, boxPublicKey, boxPrivateKey);
    if (!isOpen) throw new Error('the secret of the service was sealed to another key');
    return out;
  };
  const dispose = async () => {
    age.dispose();
    await hsm.dispose();
  };
  return { hsm, age, sealed, client, openRequest, sealRequest, serviceSecretOf, dispose };
}

/** The result of a service that was opened; fails for one that was not. */
export function opened(result: OpeningResult | undefined): Exclude<OpeningResult, { error: unknown }> {
  if (result === undefined || 'error' in result) throw new Error('not opened', { cause: result?.error });
  return result;
}
