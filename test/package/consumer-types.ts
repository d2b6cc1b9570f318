// Another program in TypeScript: it must compile against the types of the package, without those of Node.
import {
  type DescriptorErrorCode,
  type Evidence,
  type KpHsId,
  type OpenedLayers,
  DescriptorError,
  invariants,
  openDescriptor,
  openWithSubcredential,
  parseKpHsBlindId,
  parseNHsSubcred,
  parseOnionAddress,
  publishablePeriods,
  TOR_NETWORK,
} from 'onion-signer/descriptor';

export function open(text: Uint8Array, blindedKey: Uint8Array, subcredential: Uint8Array): OpenedLayers {
  return openWithSubcredential(text, {
    kpHsBlindId: parseKpHsBlindId(blindedKey),
    subcredential: parseNHsSubcred(subcredential),
  });
}

export function codeOf(text: Uint8Array, address: string, now: number): DescriptorErrorCode | undefined {
  try {
    const kpHsId: KpHsId = parseOnionAddress(address);
    openDescriptor(text, { kpHsId, periods: publishablePeriods(TOR_NETWORK, now), nowSeconds: now });
    return undefined;
  } catch (error) {
    if (error instanceof DescriptorError) return error.code;
    throw error;
  }
}

export function denial(evidence: Evidence, now: number): string | undefined {
  return invariants.checkEvidenceAge(evidence, TOR_NETWORK, now)?.rule;
}

export function mistakes(bytes: Uint8Array): void {
  // @ts-expect-error bytes are no identity before they are parsed
  openDescriptor(bytes, { kpHsId: bytes, periods: [] });
  // @ts-expect-error a blinded key is no identity
  openDescriptor(bytes, { kpHsId: parseKpHsBlindId(bytes), periods: [] });
}
