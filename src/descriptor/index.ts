export * from './assemble.ts';
export * from './blinding.ts';
export * from './bytes.ts';
export * from './caching-verify.ts';
export * from './client-auth.ts';
export * from './ed25519-cert.ts';
export * from './error.ts';
export * from './evidence.ts';
export * from './hsdir-ring.ts';
export * from './inner-layer.ts';
export * from './introduction-point.ts';
export * as invariants from './invariants.ts';
export {
  INVARIANTS,
  checkHorizon,
  checkIntroProvenance,
  checkOnePerSecond,
  checkPeriodWindow,
  checkPointUnique,
  resolvePoints,
} from './invariants.ts';
export type { Denial, InvariantId, PointReference } from './invariants.ts';
export * from './key-files.ts';
export * from './keys.ts';
export * from './layer-crypt.ts';
export * from './middle-layer.ts';
export * from './netdoc.ts';
export * from './onion-address.ts';
export * from './open.ts';
export * from './outer-layer.ts';
export * from './primitives.ts';
export * from './recent-map.ts';
export * from './revision-counter.ts';
export * from './second-opinion.ts';
export * from './time.ts';
