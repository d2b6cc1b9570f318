import { describe, expect, test } from 'vitest';
import { TOR_NETWORK, publicationWindow } from '../../src/descriptor/index.ts';
import { EvidenceStore } from '../../src/pkcs11/evidence-store.ts';
import { NOON, PERIOD, forge, identity } from '../descriptor/forge.ts';
import { denialOf } from './keyholder-rig.ts';

const store = () => new EvidenceStore(TOR_NETWORK, [{ name: 'a1', kpHsId: identity('a1').kpHsId }]);
const textAt = (at: number) => forge({ label: 'a1', period: PERIOD, at }).text;

describe('a descriptor that was proven before', () => {
  test('is not proven again, whoever sends it how often', () => {
    const evidence = store();
    const text = textAt(NOON);
    const first = evidence.prove(text, NOON + 60);
    expect(evidence.prove(Uint8Array.from(text), NOON + 120)).toBe(first);
    expect(evidence.size).toBe(1);
    expect(store().prove(text, NOON + 120)).not.toBe(first);
  });

  test('is judged by its age, and by its period, each time', () => {
    const evidence = store();
    const text = textAt(NOON);
    evidence.prove(text, NOON + 60);
    expect(denialOf(() => evidence.prove(text, NOON + 6 * 3600)).rule).toBe('EVIDENCE-AGE');
    const { to } = publicationWindow(TOR_NETWORK, PERIOD);
    const late = textAt(to - 600);
    expect(evidence.prove(late, to - 1).points).toHaveLength(3);
    expect(denialOf(() => evidence.prove(late, to)).rule).toBe('EVIDENCE-AGE');
  });
});
