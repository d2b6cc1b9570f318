import {
  CERT_TYPE,
  SALT_LENGTH,
  TOR_NETWORK,
  assembleCert,
  assembleDescriptor,
  encodeCertBody,
  finishDescriptor,
  hsDirNodes,
  innerCertExpiryHours,
  networkParameters,
  openDescriptor,
  parseConsensus,
  parseMicrodescriptors,
  parseOnionAddress,
  publishablePeriods,
  responsibleHsDirs,
  revisionCounterAt,
  ringSrvFor,
  srvRunStart,
  toHex,
  x25519ToEd25519,
} from 'onion-signer/descriptor';

/**
 * @typedef {object} SigningKey KS_hs_desc_sign of one period, wherever it is
 * @property {Uint8Array} publicKey 32 bytes
 * @property {Uint8Array} certificate type 08 over it, 140 bytes
 * @property {Uint8Array} counterKey 32 bytes, secret
 * @property {(message: Uint8Array) => Uint8Array} sign
 * @property {(length: number) => Uint8Array} random
 */

/**
 * @param {Uint8Array} text a descriptor
 * @param {string} address whose it is
 * @param {number} now Unix seconds
 * @param {SigningKey} key
 * @param {{ consensus: string, microdescriptors: string }} tor as its control port answers
 * @returns {{ text: Uint8Array, relays: string[] }} the new text, and the fingerprints of the relays that store it
 */
export function republish(text, address, now, key, tor) {
  const kpHsId = parseOnionAddress(address);
  const periods = publishablePeriods(TOR_NETWORK, now);
  const opened = openDescriptor(text, { kpHsId, periods, nowSeconds: now });
  const { inner, middle, period, kpHsBlindId, subcredential } = opened;
  if (inner === undefined) throw new Error('a restricted service: openCookie finds the cookie of a client');

  /** @param {import('onion-signer/descriptor').CertType} certType @param {Uint8Array} certifiedKey */
  const certify = (certType, certifiedKey) => {
    const expiryHours = innerCertExpiryHours(now);
    const body = encodeCertBody({ certType, expiryHours, certifiedKey, signingKey: key.publicKey });
    return assembleCert(body, key.sign(body));
  };
  const signable = assembleDescriptor({
    kpHsBlindId,
    subcredential,
    descSigningKeyCert: key.certificate,
    revisionCounter: revisionCounterAt(key.counterKey, now - srvRunStart(TOR_NETWORK, period) + 1),
    inner: {
      create2Formats: inner.create2Formats,
      singleOnionService: inner.singleOnionService,
      flowControl: inner.flowControl,
      caa: inner.caa,
      introductionPoints: inner.introductionPoints.map(point => ({
        ...point,
        authKeyCert: certify(CERT_TYPE.authKey, point.authKey),
        encKeyCert: certify(CERT_TYPE.encKey, x25519ToEd25519(point.encKey)),
      })),
    },
    middle,
    salts: { inner: key.random(SALT_LENGTH), middle: key.random(SALT_LENGTH) },
  });

  const consensus = parseConsensus(tor.consensus);
  const { replicas, spreadStore } = networkParameters(consensus);
  const relays = responsibleHsDirs({
    nodes: hsDirNodes(consensus, parseMicrodescriptors(tor.microdescriptors)),
    kpHsBlindId,
    period,
    srv: ringSrvFor(period, { ...consensus, profile: TOR_NETWORK }),
    replicas,
    spread: spreadStore,
  });
  return { text: finishDescriptor(signable, key.sign(signable.signedMessage)), relays: relays.map(toHex) };
}
