import { assembleDescriptor, finishDescriptor } from '../../src/descriptor/assemble.ts';
import { asciiBytes, equalBytes } from '../../src/descriptor/bytes.ts';
import { deriveClientKeys, makeAuthClientLine, openCookie } from '../../src/descriptor/client-auth.ts';
import {
  CERT_TYPE,
  type CertType,
  type Ed25519Cert,
  assembleCert,
  encodeCertBody,
  x25519ToEd25519,
} from '../../src/descriptor/ed25519-cert.ts';
import type {
  AuthClientLine,
  Bytes,
  CertifiedIntroductionPoint,
  MiddleLayer,
  NHsSubcred,
  NetworkProfile,
  OpenedDescriptor,
  ParsedIntroductionPoint,
  RevisionCounter,
} from '../../src/descriptor/index.ts';
import { SALT_LENGTH } from '../../src/descriptor/layer-crypt.ts';
import { openDescriptor } from '../../src/descriptor/open.ts';
import { sha3_256, x25519SharedSecret } from '../../src/descriptor/primitives.ts';
import { counterTimeInterval, createRevisionCounter } from '../../src/descriptor/revision-counter.ts';
import { certExpiryHours, innerCertExpiryHours, srvRunStart } from '../../src/descriptor/time.ts';
import { type BlindedKey, blindIdentity, signExpanded } from '../../src/pkcs11/blinded-sign.ts';
import type { StockDescriptor } from './stock.ts';

const COUNTER_LABEL = asciiBytes('rev-counter-generation\0');
const NO_HEDGE = new Uint8Array();

/** Stock tor's descriptor with everything that its keys open. */
export interface OpenedStock extends OpenedDescriptor {
  readonly descriptorCookie: Bytes | undefined;
}

/** A descriptor of stock tor made a second time. */
export interface Rebuilt {
  readonly text: Bytes;
  /** The second for which its revision counter was made, Unix time. */
  readonly second: number;
  readonly opened: OpenedStock;
}

/** Opens a descriptor of stock tor, every certificate judged, with the first client's key where it has clients. */
export function openStock({ text, service, period }: StockDescriptor, nowSeconds?: number): OpenedStock {
  const options = { kpHsId: service.kpHsId, periods: [period], nowSeconds };
  const opened = openDescriptor(text, options);
  const [client] = service.clients;
  if (client === undefined) return { ...opened, descriptorCookie: undefined };
  const descriptorCookie = openCookie(client, opened.middle, opened.subcredential);
  if (opened.inner !== undefined || descriptorCookie === undefined) throw new Error('it is not restricted');
  return { ...openDescriptor(text, { ...options, descriptorCookie }), descriptorCookie };
}

/**
 * Makes a descriptor of stock tor again. Of the text it takes what is random (salts, client lines of nobody, the
 * cookie), the points, and the signatures by a key that only that tor has, which were verified. Counter, certificates
 * and the blinded key's signature are computed from the identity.
 */
export function rebuild(descriptor: StockDescriptor, profile: NetworkProfile): Rebuilt {
  const { service, period } = descriptor;
  const opened = openStock(descriptor);
  const { outer, middle, inner, kpHsBlindId, kpHsDescSign, subcredential, descriptorCookie } = opened;
  if (inner === undefined) throw new Error('the inner layer stayed closed');
  const blinded = blindIdentity(service.identity, service.kpHsId, period);
  const origin = srvRunStart(profile, period);
  const counter = torCounter(blinded);
  const { from, to } = counterTimeInterval(profile, period, outer.revisionCounter);
  const t = secondOf(counter, outer.revisionCounter, Math.floor(from) - origin + 1, Math.ceil(to) - origin);
  const second = origin + t - 1;
  const body = encodeCertBody({
    certType: CERT_TYPE.descSigning,
    expiryHours: certExpiryHours(second),
    certifiedKey: kpHsDescSign,
    signingKey: kpHsBlindId,
  });
  const descSigningKeyCert = assembleCert(body, signExpanded(blinded, body, NO_HEDGE));
  blinded.secret.wipe();
  const signable = assembleDescriptor({
    kpHsBlindId,
    subcredential,
    descSigningKeyCert,
    revisionCounter: counter.at(t),
    inner: {
      ...inner,
      // A network of stock tor without puzzles; with one the text would differ.
      introAuthRequired: undefined,
      powParams: undefined,
      introductionPoints: inner.introductionPoints.map(point => certifyAgain(point, kpHsDescSign, second)),
    },
    middle: {
      ...middle,
      authClients: clientLinesAgain(middle, service.clients, subcredential, descriptorCookie),
    },
    descriptorCookie,
    salts: {
      inner: middle.encrypted.subarray(0, SALT_LENGTH),
      middle: outer.superencrypted.subarray(0, SALT_LENGTH),
    },
  });
  return { text: finishDescriptor(signable, outer.signature), second, opened };
}

/** Stock tor's counters of one period: their key is a hash of the blinded secret. */
function torCounter(blinded: BlindedKey): RevisionCounter {
  return createRevisionCounter(blinded.secret.use(secret => sha3_256(COUNTER_LABEL, secret)));
}

/** The T that has this counter. */
function secondOf(counter: RevisionCounter, value: bigint, first: number, last: number): number {
  for (let t = Math.max(1, first); t <= last; t++) if (counter.at(t) === value) return t;
  throw new Error('no second of the period has this counter under the key of stock tor');
}

function certifyAgain(
  point: ParsedIntroductionPoint,
  signingKey: Bytes,
  second: number,
): CertifiedIntroductionPoint {
  // tor certifies all points again for each upload.
  const expiryHours = innerCertExpiryHours(second);
  const again = (certType: CertType, certifiedKey: Bytes, { signature }: Ed25519Cert): Bytes =>
    assembleCert(encodeCertBody({ certType, expiryHours, certifiedKey, signingKey }), signature);
  return {
    ...point,
    authKeyCert: again(CERT_TYPE.authKey, point.authKey, point.authCert),
    encKeyCert: again(CERT_TYPE.encKey, x25519ToEd25519(point.encKey), point.encCert),
  };
}

/** The lines, those of the clients made anew. Throws when a client has none. */
function clientLinesAgain(
  { ephemeralKey, authClients }: Pick<MiddleLayer, 'ephemeralKey' | 'authClients'>,
  clients: readonly Bytes[],
  subcredential: NHsSubcred,
  descriptorCookie: Bytes | undefined,
): readonly AuthClientLine[] {
  if (descriptorCookie === undefined) return authClients;
  const lines = [...authClients];
  for (const client of clients) {
    const keys = deriveClientKeys(x25519SharedSecret(client, ephemeralKey), subcredential);
    const at = lines.findIndex(({ clientId }) => equalBytes(clientId, keys.clientId));
    const line = lines[at];
    if (line === undefined) throw new Error('a client has no line');
    lines[at] = makeAuthClientLine(keys, line.iv, descriptorCookie);
  }
  return lines;
}
