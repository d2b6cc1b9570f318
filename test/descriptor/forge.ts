import { type KeyObject, createHash, createPrivateKey, createPublicKey, sign } from 'node:crypto';
import { ed25519 } from '@noble/curves/ed25519.js';
import type {
  AuthClientLine,
  Bytes,
  CertifiedIntroductionPoint,
  DescriptorParts,
  InnerLayer,
  KpHsId,
  TimePeriod,
} from '../../src/descriptor/index.ts';
import { asciiBytes, concat } from '../../src/descriptor/bytes.ts';
import {
  AUTH_CLIENT_LENGTH,
  CERT_TYPE,
  TOR_NETWORK,
  assembleCert,
  blindingParam,
  certExpiryHours,
  clampTweak,
  deriveClientKeys,
  deriveKpHsBlindId,
  deriveSubcredential,
  encodeCertBody,
  encodeLinkSpecifiers,
  innerCertExpiryHours,
  makeAuthClientLine,
  makeFakeAuthClientLine,
  parseKpHsId,
  parseKpHsIptSid,
  parseKpHssDescEnc,
  parseKpHssNtor,
  parseKpNtor,
  revisionCounterAt,
  srvRunStart,
  timePeriod,
  x25519PublicKey,
  x25519SharedSecret,
  x25519ToEd25519,
} from '../../src/descriptor/index.ts';
import { encodeInnerLayer } from '../../src/descriptor/inner-layer.ts';
import {
  INNER_CONSTANT,
  MIDDLE_CONSTANT,
  encryptLayer,
  padMiddle,
} from '../../src/descriptor/layer-crypt.ts';
import { encodeMiddleLayer } from '../../src/descriptor/middle-layer.ts';
import {
  descriptorSignedMessage,
  encodeSignatureLine,
  encodeUnsignedOuter,
} from '../../src/descriptor/outer-layer.ts';
import { shake256 } from '../../src/descriptor/primitives.ts';

/** Bytes that look random and are the same in every run. */
export function noise(label: string, length: number): Bytes {
  return shake256(asciiBytes(label), length);
}

/** An ordinary Ed25519 key pair from a label. */
export function ed25519Pair(label: string): {
  publicKey: Bytes;
  sign: (message: Bytes) => Bytes;
  /** The private key as a file. */
  pem: string;
} {
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), noise(label, 32)]);
  const key: KeyObject = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  const publicKey = createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-32);
  return {
    publicKey: new Uint8Array(publicKey),
    sign: message => new Uint8Array(sign(null, message, key)),
    pem: key.export({ format: 'pem', type: 'pkcs8' }).toString(),
  };
}

/** An identity and its blinded signatures, with the scalar in the open: for tests only. */
export function identity(label: string): {
  kpHsId: KpHsId;
  signBlinded: (period: TimePeriod, message: Bytes) => Bytes;
} {
  const { Fn, BASE } = ed25519.Point;
  const a = scalar(clampTweak(noise(label, 32)));
  const kpHsId = parseKpHsId(BASE.multiply(a % Fn.ORDER).toBytes());
  const signBlinded = (period: TimePeriod, message: Bytes): Bytes => {
    const key = (a * scalar(clampTweak(blindingParam(kpHsId, period)))) % Fn.ORDER;
    const nonce = scalar(hash512(noise(`nonce ${label}`, 32), message)) % Fn.ORDER;
    const r = BASE.multiply(nonce).toBytes();
    const k = scalar(hash512(r, BASE.multiply(key).toBytes(), message)) % Fn.ORDER;
    return concat(r, Fn.toBytes((nonce + k * key) % Fn.ORDER));
  };
  return { kpHsId, signBlinded };
}

function hash512(...parts: Bytes[]): Bytes {
  return createHash('sha512')
    .update(concat(...parts))
    .digest();
}

function scalar(bytes: Bytes): bigint {
  return BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`);
}

/** What a forged descriptor is made of, and where to interfere. The defaults are a backend of stock tor. */
export interface Forgery {
  label?: string;
  /** Whose descriptor it claims to be; the label's own when not given. */
  kpHsId?: KpHsId;
  period?: TimePeriod;
  /** Unix seconds at which it is made. */
  at?: number;
  points?: number;
  /** Private keys of authorized clients. */
  clients?: readonly Bytes[] | undefined;
  inner?: Partial<InnerLayer>;
  expiryHours?: number;
  innerExpiryHours?: number;
  counter?: bigint;
  editPoint?: (point: CertifiedIntroductionPoint, index: number) => CertifiedIntroductionPoint;
  editInner?: (text: string) => string;
  editMiddle?: (text: string) => string;
  editPadded?: (padded: Bytes) => Bytes;
  editOuter?: (text: string) => string;
  signDescriptor?: (message: Bytes) => Bytes;
  signCert?: (period: TimePeriod, body: Bytes) => Bytes;
}

/** Noon of a day in 2026, the start of a period. */
export const PERIOD = timePeriod(TOR_NETWORK, 20_700);
export const NOON = PERIOD.periodNum * 86_400 + 43_200;

/** A descriptor made step by step, so that a test can spoil each of them and still sign the result. */
export function forge(forgery: Forgery = {}) {
  const { period = PERIOD, at = NOON + 3600, label = 'backend' } = forgery;
  const { kpHsId: ownId, signBlinded } = identity(label);
  const { kpHsId = ownId } = forgery;
  const kpHsBlindId = deriveKpHsBlindId(kpHsId, period);
  const subcredential = deriveSubcredential(kpHsId, kpHsBlindId);
  const descSign = ed25519Pair(`${label} descriptor signing ${period.periodNum}`);
  const body = encodeCertBody({
    certType: CERT_TYPE.descSigning,
    expiryHours: forgery.expiryHours ?? certExpiryHours(at),
    certifiedKey: descSign.publicKey,
    signingKey: kpHsBlindId,
  });
  const revisionCounter =
    forgery.counter ?? revisionCounterAt(noise(`${label} K`, 32), at - srvRunStart(TOR_NETWORK, period) + 1);
  const points = Array.from({ length: forgery.points ?? 3 }, (_, i) =>
    makePoint(`${label} point ${i}`, descSign, forgery.innerExpiryHours ?? innerCertExpiryHours(at)),
  );
  const inner: InnerLayer = {
    create2Formats: [2],
    singleOnionService: false,
    flowControl: { versions: '1-2', sendmeInc: 31 },
    caa: [],
    introductionPoints: points.map((point, i) => forgery.editPoint?.(point, i) ?? point),
    ...forgery.inner,
  };
  const { ephemeralKey, authClients, descriptorCookie } = makeClients(label, forgery.clients, subcredential);
  const parts: DescriptorParts = {
    kpHsBlindId,
    subcredential,
    descSigningKeyCert: assembleCert(body, (forgery.signCert ?? signBlinded)(period, body)),
    revisionCounter,
    inner,
    middle: { ephemeralKey, authClients },
    descriptorCookie,
    salts: { inner: noise('inner salt', 16), middle: noise('middle salt', 16) },
  };
  const text = assembleSpoilt(parts, forgery, descSign.sign);
  return { text, kpHsId, period, parts, at, descSign, inner };
}

function assembleSpoilt(
  parts: DescriptorParts,
  forgery: Forgery,
  signDescriptor: (m: Bytes) => Bytes,
): Bytes {
  const { kpHsBlindId, subcredential, revisionCounter, descriptorCookie = new Uint8Array() } = parts;
  const keys = { subcredential, revisionCounter };
  const edit = (bytes: Bytes, change?: (text: string) => string): Bytes =>
    change === undefined ? bytes : Buffer.from(change(Buffer.from(bytes).toString('latin1')), 'latin1');
  const encrypted = encryptLayer(
    { ...keys, secretData: concat(kpHsBlindId, descriptorCookie), constant: INNER_CONSTANT },
    parts.salts.inner,
    edit(encodeInnerLayer(parts.inner), forgery.editInner),
  );
  const middle = edit(
    encodeMiddleLayer({ ...parts.middle, caaCritical: parts.middle.caaCritical ?? false, encrypted }),
    forgery.editMiddle,
  );
  const padded = padMiddle(middle);
  const superencrypted = encryptLayer(
    { ...keys, secretData: kpHsBlindId, constant: MIDDLE_CONSTANT },
    parts.salts.middle,
    forgery.editPadded?.(padded) ?? padded,
  );
  const unsigned = encodeUnsignedOuter({
    lifetimeMinutes: 180,
    cert: parts.descSigningKeyCert,
    revisionCounter,
    superencrypted,
  });
  const edited = edit(unsigned, forgery.editOuter);
  const message = descriptorSignedMessage(edited);
  return concat(edited, encodeSignatureLine((forgery.signDescriptor ?? signDescriptor)(message)));
}

/** A point with its two certificates under `signer`. */
export function makePoint(
  label: string,
  signer: ReturnType<typeof ed25519Pair>,
  expiryHours: number,
): CertifiedIntroductionPoint {
  const authKey = parseKpHsIptSid(ed25519Pair(`${label} auth`).publicKey);
  const encKey = parseKpHssNtor(x25519PublicKey(noise(`${label} enc`, 32)));
  const certify = (certType: 9 | 11, certifiedKey: Bytes): Bytes => {
    const body = encodeCertBody({ certType, expiryHours, certifiedKey, signingKey: signer.publicKey });
    return assembleCert(body, signer.sign(body));
  };
  return {
    linkSpecifiers: encodeLinkSpecifiers([
      { type: 0, data: noise(`${label} IPv4`, 6) },
      { type: 2, data: noise(`${label} RSA`, 20) },
      { type: 3, data: noise(`${label} Ed25519`, 32) },
    ]),
    onionKey: parseKpNtor(x25519PublicKey(noise(`${label} onion`, 32))),
    authKey,
    encKey,
    authKeyCert: certify(CERT_TYPE.authKey, authKey),
    encKeyCert: certify(CERT_TYPE.encKey, x25519ToEd25519(encKey)),
  };
}

function makeClients(
  label: string,
  clients: readonly Bytes[] | undefined,
  subcredential: ReturnType<typeof deriveSubcredential>,
) {
  const ephemeral = noise(`${label} ephemeral`, 32);
  const descriptorCookie = clients === undefined ? undefined : noise(`${label} cookie`, 16);
  const lines: AuthClientLine[] = (clients ?? []).map((client, i) => {
    const keys = deriveClientKeys(x25519SharedSecret(ephemeral, x25519PublicKey(client)), subcredential);
    return makeAuthClientLine(keys, noise(`${label} iv ${i}`, 16), descriptorCookie ?? new Uint8Array());
  });
  while (lines.length === 0 || lines.length % 16 !== 0) {
    lines.push(makeFakeAuthClientLine(noise(`${label} fake ${lines.length}`, AUTH_CLIENT_LENGTH)));
  }
  return {
    ephemeralKey: parseKpHssDescEnc(x25519PublicKey(ephemeral)),
    authClients: lines.reverse(),
    descriptorCookie,
  };
}
