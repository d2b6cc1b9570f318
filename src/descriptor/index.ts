// The public surface of the library, name by name: what a program needs to read, judge, build and place descriptors.
// Modules of this folder import each other directly; everybody else imports from here. docs/api.md is made from it.

// # Addresses and identities
export { formatOnionAddress, parseOnionAddress } from './onion-address.ts';
export {
  PUBLIC_KEY_FILE_LENGTH,
  SECRET_KEY_FILE_LENGTH,
  encodeHostnameFile,
  encodePublicKeyFile,
  parseHostnameFile,
  parsePublicKeyFile,
  parseSecretKeyFile,
  prepareSecretKeyFile,
} from './key-files.ts';
export type { SecretKeyParts } from './key-files.ts';
export { PEM_KEY_LENGTH, PKCS8_KEY_LENGTH, SEED_LENGTH, parsePemKey, writePemKey } from './pem-key.ts';
export {
  AUTH_PRIVATE_LENGTH,
  encodeClientAuthFile,
  encodeObConfig,
  parseClientAuthFile,
  parseClientAuthPrivate,
  parseObConfig,
  writeClientAuthPrivate,
} from './client-files.ts';

// # Keys and other values of fixed length
export {
  parseEd25519Public,
  parseKpHsBlindId,
  parseKpHsDescSign,
  parseKpHsId,
  parseKpHsIptSid,
  parseKpHscDescEnc,
  parseKpHssDescEnc,
  parseKpHssNtor,
  parseKpNtor,
  parseNHsCred,
  parseNHsSubcred,
  parseRelayEd25519Id,
  parseRelayFingerprint,
  parseSharedRandomValue,
  parseX25519Public,
} from './keys.ts';
export type {
  Ed25519Public,
  KpHsBlindId,
  KpHsDescSign,
  KpHsId,
  KpHsIptSid,
  KpHscDescEnc,
  KpHssDescEnc,
  KpHssNtor,
  KpNtor,
  NHsCred,
  NHsSubcred,
  RelayEd25519Id,
  RelayFingerprint,
  SharedRandomValue,
  X25519Public,
} from './keys.ts';

// # Networks and time periods
export {
  CERT_LIFETIME_HOURS,
  TOR_NETWORK,
  certExpiryHours,
  checkNetworkProfile,
  currentRunStart,
  innerCertExpiryHours,
  ladderHours,
  periodStart,
  publicationWindow,
  publishablePeriods,
  ringNetwork,
  srvRunStart,
  testNetwork,
  timePeriod,
  timePeriodAt,
} from './time.ts';
export type { NetworkProfile, TimeInterval, TimePeriod } from './time.ts';

// # Blinding
export {
  blindingParam,
  clampTweak,
  deriveCredential,
  deriveKpHsBlindId,
  deriveSubcredential,
} from './blinding.ts';

// # Opening descriptors
export { openDescriptor, openWithBlindedKey, openWithSubcredential, parseDescriptor } from './open.ts';
export type {
  DroppedPoint,
  LayerSettings,
  OpenOptions,
  OpenSettings,
  OpenedDescriptor,
  OpenedLayers,
  OpenedOuter,
} from './open.ts';
export { examineDescriptor } from './examine.ts';
export type {
  ExamineOptions,
  Examination,
  ExaminedFault,
  ExaminedLayer,
  ExaminedPart,
  ExaminedPoint,
  ExaminedText,
} from './examination.ts';
export { nobleVerify, openDescriptorWithNoble } from './second-opinion.ts';
export { createCachingVerify } from './caching-verify.ts';
export { ed25519Verify } from './primitives.ts';
export type { Ed25519Verify } from './primitives.ts';

// # What a descriptor holds
export { MAX_DESCRIPTOR_SIZE } from './outer-layer.ts';
export type { OuterLayer } from './outer-layer.ts';
export { AUTH_CLIENT_MULTIPLE } from './middle-layer.ts';
export type { MiddleLayer, ParsedMiddleLayer } from './middle-layer.ts';
export { MAX_INTRODUCTION_POINTS } from './inner-layer.ts';
export type {
  CaaRecord,
  FlowControl,
  InnerHead,
  InnerLayer,
  ParsedInnerLayer,
  PowParams,
} from './inner-layer.ts';
export {
  LINK_SPECIFIER,
  encodeLinkSpecifiers,
  parseLinkSpecifiers,
  pointKey,
  samePoint,
} from './introduction-point.ts';
export type {
  CertifiedIntroductionPoint,
  IntroductionPoint,
  LinkSpecifier,
  ParsedIntroductionPoint,
} from './introduction-point.ts';
export type { NetdocItem, NetdocObject } from './netdoc.ts';

// # Certificates
export {
  CERT_TYPE,
  assembleCert,
  encodeCertBody,
  parseCert,
  verifyCert,
  x25519ToEd25519,
} from './ed25519-cert.ts';
export type { CertBody, CertExpectation, CertType, Ed25519Cert } from './ed25519-cert.ts';

// # Building descriptors
export { MAX_MIDDLE_LENGTH, assembleDescriptor, finishDescriptor } from './assemble.ts';
export type { DescriptorParts, SignableDescriptor } from './assemble.ts';
export { messageOfUnsigned } from './unsigned-text.ts';
export type { UnsignedExpectation } from './unsigned-text.ts';
export { MAX_T, counterTimeInterval, createRevisionCounter, revisionCounterAt } from './revision-counter.ts';
export type { RevisionCounter } from './revision-counter.ts';

// # Restricted discovery
export {
  AUTH_CLIENT_LENGTH,
  CLIENT_ID_LENGTH,
  CLIENT_IV_LENGTH,
  deriveClientKeys,
  makeAuthClientLine,
  makeFakeAuthClientLine,
  openCookie,
} from './client-auth.ts';
export type { AuthClientLine, ClientKeys } from './client-auth.ts';
export { DESCRIPTOR_COOKIE_LENGTH, SALT_LENGTH } from './layer-crypt.ts';
export type { DescriptorCrypto } from './layer-crypt.ts';
export { x25519PublicKey, x25519SharedSecret } from './primitives.ts';

// # Directories
export {
  DEFAULT_HSDIR_REPLICAS,
  DEFAULT_HSDIR_SPREAD_FETCH,
  DEFAULT_HSDIR_SPREAD_STORE,
  disasterSrv,
  hsIndex,
  hsdirIndex,
  responsibleHsDirs,
  ringSrvFor,
} from './hsdir-ring.ts';
export type { HsDirNode, RingConsensus, RingQuery } from './hsdir-ring.ts';
export { hsDirCandidates, hsDirNodes, parseConsensus, parseMicrodescriptors } from './consensus.ts';
export type { Consensus, ConsensusRelay } from './consensus.ts';
export { networkParameters } from './network-parameters.ts';
export type { NetworkParameters } from './network-parameters.ts';

// # Evidence and the rules over it
export {
  certTimeInterval,
  checkEvidenceAge,
  evidenceAgeFault,
  evidencePeriods,
  proveEvidence,
} from './evidence.ts';
export type { AgeFault, Evidence, EvidenceClaim } from './evidence.ts';
export * as invariants from './invariants.ts';
export {
  INVARIANTS,
  LIMIT_RULES,
  checkCounterCeiling,
  checkHorizon,
  checkIntroProvenance,
  checkIntroShare,
  checkMinBackends,
  checkOnePerSecond,
  checkPeriodWindow,
  checkPointUnique,
  checkRunway,
  checkVariant,
  resolvePoints,
} from './invariants.ts';
export type { Denial, InvariantId, PointReference } from './invariants.ts';
export { PointSets, pointSetName } from './point-sets.ts';

// # Errors
export { DESCRIPTOR_ERROR_CODES, DescriptorError } from './error.ts';
export type { DescriptorErrorCode, DescriptorErrorDetails, DescriptorLayer } from './error.ts';

// # Bytes and text
export { decodeBase64, encodeBase64, encodeBase64Unpadded, equalBytes, fromHex, toHex } from './bytes.ts';
export type { Base64Form, Brand, Bytes } from './bytes.ts';
export { decodeBase32Into, decodeBase64Into } from './secret-text.ts';
export { sha256, sha256Hex, sha512 } from './primitives.ts';
export { RecentMap } from './recent-map.ts';
