import {
  type CertifiedIntroductionPoint,
  parseOnionAddress,
  sha256,
  toHex,
} from '../../../src/descriptor/index.ts';
import { backendDescriptor, newRequestId } from '../../e2e/daemon/backends.ts';
import { type Attack, mustRefuse } from '../attack.ts';
import type { Thief, TrueEvidence } from '../thief.ts';

const CERT = /descriptor-signing-key-cert\n-----BEGIN ED25519 CERT-----\n[^-]*-----END ED25519 CERT-----\n/u;

/** Relay and onion key of one backend with the keys of another, under the true certificate of the first. */
function mixed(thief: Thief, one: TrueEvidence, other: TrueEvidence): string {
  const [foreign] = other.evidence.points;
  const [own] = one.evidence.points;
  if (foreign === undefined || own === undefined) throw new Error('a backend has no points');
  const editPoint = (point: CertifiedIntroductionPoint): CertifiedIntroductionPoint => ({
    ...point,
    linkSpecifiers: own.linkSpecifiers,
    onionKey: own.onionKey,
    authKey: foreign.authKey,
    encKey: foreign.encKey,
  });
  const certificate = CERT.exec(one.text)?.[0] ?? '';
  const forgery = {
    kpHsId: one.evidence.backend,
    period: one.evidence.period,
    points: 1,
    editPoint,
    editOuter: (text: string) => text.replace(CERT, certificate),
  };
  return backendDescriptor(thief.profile, 'thief', forgery).text;
}

/** A point is taken whole from one descriptor, once: no request can name parts, and no text of the thief proves them. */
export const mixedBlock: Attack = {
  ids: ['E5'],
  title: 'a point put together from two true ones',
  run: async thief => {
    const [one, other] = await thief.evidence();
    if (one === undefined || other === undefined) throw new Error('there are not two backends');
    const request = await thief.honestRequest();
    const text = mixed(thief, one, other);
    const point = { evidence: toHex(sha256(Buffer.from(text, 'latin1'))), index: 0 };
    const ask = async (changes: object) =>
      await thief.askPatiently({ ...request, id: newRequestId(), ...changes });
    const evidence = [...request.evidence, text];
    mustRefuse(
      'a mixed point',
      await ask({ points: [point, ...request.points], evidence }),
      'EVIDENCE_INVALID',
    );
    const parts = { ...request.points[0], encKey: toHex(parseOnionAddress(thief.stage.address)) };
    mustRefuse('a reference with a key', await ask({ points: [parts, ...request.points] }), 'REQUEST_SCHEMA');
    const twice = [...request.points, ...request.points.slice(0, 1)];
    return `EVIDENCE_INVALID; twice: ${mustRefuse('a point twice', await ask({ points: twice }), 'POINT-UNIQUE')}`;
  },
};
