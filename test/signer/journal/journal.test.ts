import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  leafHash,
  rootOf,
  verifyConsistency,
  verifyInclusion,
} from '../../../src/signer/contract/log-proof.ts';
import type { Journal } from '../../../src/signer/journal/journal.ts';
import type { Reserved, ReserveOutcome, ReserveRequest } from '../../../src/signer/journal/reservations.ts';
import { sha256Hex } from '../../../src/signer/journal/archive.ts';
import { failure, rejection } from '../failure.ts';
import { NOW, TestJournal, request, text } from './open-test-journal.ts';

const program = { version: '0.1.0', network: 'tor', votingInterval: 3600 };
let test: TestJournal;
let journal: Journal;
beforeEach(() => {
  test = new TestJournal();
  journal = test.journal;
});
afterEach(() => test.remove());

const release = (answer = 'answer') => ({ answer, texts: [text(answer)], evidence: [text('evidence')] });

function granted(outcome: ReserveOutcome): Reserved {
  if (outcome.kind !== 'reserved') throw new Error(outcome.kind);
  return outcome.reserved;
}
const reserve = async (asked: ReserveRequest): Promise<Reserved> => granted(await journal.reserve(asked));
const kinds = (): string[] => [...journal.archive.entries()].map(({ entry }) => entry.kind);

describe('a release', () => {
  it('archives texts and evidence by digest and names the head that includes it', async () => {
    const reserved = await reserve(request());
    const head = await journal.release(reserved, release('text one'));
    expect(head).toEqual(journal.head());
    const entry = [...journal.archive.entries(2)][0]?.entry;
    if (entry?.kind !== 'released') throw new Error('no release');
    expect(entry.reserved).toBe(reserved.entry);
    expect(new TextDecoder().decode(journal.archive.text(entry.texts[0]!))).toBe('text one');
    expect(new TextDecoder().decode(journal.archive.text(entry.evidence[0]!))).toBe('evidence');
    expect(journal.archive.text('00'.repeat(32))).toBeUndefined();
  });

  it('happens once, and only for a reservation of this journal that is not given up', async () => {
    const reserved = await reserve(request());
    await journal.release(reserved, release());
    expect((await rejection(journal.release(reserved, release()))).code).toBe('JOURNAL_MISUSE');
    const given = await reserve(request());
    journal.abandon(given);
    expect((await rejection(journal.release(given, release()))).code).toBe('JOURNAL_MISUSE');
    const copy = Object.assign(Object.create(null), await reserve(request())) as Reserved;
    expect((await rejection(journal.release(copy, release()))).code).toBe('JOURNAL_MISUSE');
    const old = await reserve(request());
    journal = test.reopen();
    expect((await rejection(journal.release(old, release()))).code).toBe('JOURNAL_MISUSE');
    expect(journal.head()).toEqual(test.reopen().head());
  });

  it('needs a text', async () => {
    const reserved = await reserve(request());
    expect((await rejection(journal.release(reserved, { answer: '', texts: [], evidence: [] }))).code).toBe(
      'JOURNAL_ENTRY',
    );
    await journal.release(reserved, release());
  });
});

describe('refusals', () => {
  const refusal = {
    publisher: 'vps1',
    service: 'frontpage',
    rule: 'POINT-COUNT',
    observed: '2',
    limit: '3..20',
  };

  it('of a flood become two entries an hour', async () => {
    for (let i = 0; i < 1000; i += 1) await journal.refuse(refusal);
    expect(kinds()).toEqual(['genesis', 'refused']);
    test.now += 3599;
    await journal.flushRefusals();
    expect(kinds()).toEqual(['genesis', 'refused']);
    test.now += 1;
    await journal.flushRefusals();
    expect([...journal.archive.entries(2)][0]?.entry).toMatchObject({
      kind: 'refused',
      count: 999,
      at: NOW,
      until: NOW,
    });
    await journal.refuse(refusal);
    expect(kinds()).toEqual(['genesis', 'refused', 'refused', 'refused']);
  });

  it('are told apart by publisher, service and rule', async () => {
    await journal.refuse(refusal);
    for (const change of [{ publisher: 'vps2' }, { service: undefined }, { rule: 'SIGN-RATE' }]) {
      await journal.refuse({ ...refusal, ...change });
    }
    expect(kinds()).toHaveLength(5);
  });

  it('that are counted are written at the end', async () => {
    await journal.refuse(refusal);
    await journal.refuse({ ...refusal, observed: 'ß\n' });
    journal = test.reopen();
    expect([...journal.archive.entries(2)][0]?.entry).toMatchObject({
      kind: 'refused',
      count: 1,
      observed: '2',
    });
  });

  it('make no entry of text that is not printable', async () => {
    await journal.refuse({ ...refusal, observed: '\u001b[2J€', limit: 'x'.repeat(300) });
    expect([...journal.archive.entries(1)][0]?.entry).toMatchObject({
      observed: '?[2J?',
      limit: 'x'.repeat(256),
    });
  });
});

describe('the policy in force', () => {
  it('is the last one applied, with a serial that only rises', async () => {
    expect(journal.policies.current()).toBeUndefined();
    await journal.policies.apply(3, text('three'));
    for (const serial of [3, 2, 0, -1, 3.5]) {
      expect((await rejection(journal.policies.apply(serial, text('x')))).code).toBe('POLICY_SERIAL');
    }
    await journal.policies.apply(4, text('four'));
    journal = test.reopen();
    expect(journal.policies.current()).toMatchObject({ serial: 4, text: text('four') });
    expect((await rejection(journal.policies.apply(4, text('x')))).code).toBe('POLICY_SERIAL');
    // The same again: an application that was cut off is repeated.
    const size = journal.head().size;
    await journal.policies.apply(4, text('four'));
    expect(journal.head().size).toBe(size);
    const both = await Promise.allSettled([
      journal.policies.apply(5, text('a')),
      journal.policies.apply(5, text('b')),
    ]);
    expect(both.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
  });
});

describe('the log', () => {
  it('is an RFC 6962 tree over the canonical bytes of its entries', async () => {
    await journal.started(program);
    const first = journal.head();
    for (let i = 0; i < 5; i += 1) await journal.release(await reserve(request()), release(`text ${i}`));
    const { size, rootHash } = journal.head();
    const leaves = [...journal.archive.entries()].map(({ bytes }) => leafHash(bytes));
    expect(leaves).toHaveLength(size);
    expect(rootOf(leaves)).toEqual(rootHash);
    const proof = journal.archive.inclusionProof(3, size);
    expect(verifyInclusion({ leaf: leaves[3]!, index: 3, size, root: rootHash, proof })).toBe(true);
    const consistency = journal.archive.consistencyProof(first.size, size);
    const claim = {
      oldSize: first.size,
      oldRoot: first.rootHash,
      newSize: size,
      newRoot: rootHash,
      proof: consistency,
    };
    expect(verifyConsistency(claim)).toBe(true);
    expect(journal.archive.rootAt(first.size)).toEqual(first.rootHash);
    for (const act of [
      () => journal.archive.rootAt(size + 1),
      () => journal.archive.inclusionProof(size, size),
      () => journal.archive.inclusionProof(0, size + 1),
      () => journal.archive.consistencyProof(size + 1, size),
    ]) {
      expect(failure(act).code).toBe('LOG_PROOF');
    }
  });

  it('recognises its own checkpoints, newer ones and those of another history', async () => {
    await journal.started(program);
    const { size, rootHash } = journal.head();
    await journal.started(program);
    journal.checkEcho(size, rootHash);
    journal.checkEcho(journal.head().size, journal.head().rootHash);
    expect(failure(() => journal.checkEcho(size + 2, rootHash)).code).toBe('CHECKPOINT_AHEAD');
    expect(failure(() => journal.checkEcho(size + 1, rootHash)).code).toBe('CHECKPOINT_FORK');
    expect(failure(() => journal.checkEcho(size, new Uint8Array(32))).code).toBe('CHECKPOINT_FORK');
  });
});

describe('retention', () => {
  it('removes old texts and answers behind a signed size; ids, marks and policies stay', async () => {
    await journal.policies.apply(1, text('former policy'));
    await journal.policies.apply(2, text('policy'));
    const [old, young] = [request(), request()];
    await journal.release(await reserve(old), { ...release('old'), evidence: [text('shared')] });
    const signedSize = journal.head().size;
    test.now += 100;
    await journal.release(await reserve(young), { ...release('young'), evidence: [text('shared')] });
    const digests = [...journal.archive.entries()].flatMap(({ entry }) =>
      entry.kind === 'released' ? [...entry.texts, ...entry.evidence] : [],
    );
    const kept = () => digests.map(digest => journal.archive.text(digest) !== undefined);

    expect(await journal.prune(0, NOW + 50)).toBe(0);
    expect(await journal.prune(signedSize, NOW)).toBe(0);
    expect(kept()).toEqual([true, true, true, true]);
    const before = journal.archive.usedBy('vps1');
    expect(await journal.prune(signedSize, NOW + 50)).toBe(1);
    expect(kept()).toEqual([false, true, true, true]);
    expect(journal.archive.usedBy('vps1')).toBe(before - text('old').length);

    journal = test.reopen();
    expect(await journal.reserve(old)).toEqual({ kind: 'id-reused' });
    expect(await journal.reserve(young)).toEqual({ kind: 'replay', answer: 'young' });
    expect(journal.policies.current()?.serial).toBe(2);
    expect(journal.archive.text(sha256Hex(text('former policy')))).toBeDefined();
  });
});

describe('a halt', () => {
  const root = new Uint8Array(32).fill(7);
  const recovery = {
    origin: 'signer.example/next',
    fence: NOW + 100,
    lost: { size: 9, root: '07'.repeat(32) },
  };

  it('is written once and outlives a restart', async () => {
    expect(journal.standing.halted).toBeUndefined();
    await journal.halt('CHECKPOINT_AHEAD', 9, root);
    await journal.halt('CHECKPOINT_FORK', 8, root);
    journal = test.reopen();
    expect(journal.standing.halted?.code).toBe('CHECKPOINT_AHEAD');
    expect(kinds()).toEqual(['genesis', 'halted']);
  });

  it('ends with a recovery, from which on heads have another name and no earlier second is spent', async () => {
    const origin = journal.standing.origin;
    await journal.halt('CHECKPOINT_AHEAD', 9, root);
    await journal.recovered(recovery);
    const expectFenced = async (): Promise<void> => {
      expect(journal.standing).toMatchObject({
        origin: recovery.origin,
        formerOrigins: [origin],
        fence: NOW + 100,
      });
      expect(journal.standing.halted).toBeUndefined();
      const early = await rejection(journal.reserve(request({ second: NOW + 99 })));
      expect([early.code, early.retryAfter]).toEqual(['FENCED', 100]);
    };
    await expectFenced();
    journal = test.reopen();
    await expectFenced();
    await reserve(request({ second: NOW + 100 }));
    expect(test.reopen().head().size).toBe(4);
  });

  it('and a second recovery never lowers the fence', async () => {
    await journal.recovered(recovery);
    await journal.recovered({ ...recovery, origin: 'signer.example/third', fence: NOW, lost: null });
    journal = test.reopen();
    expect(journal.standing).toMatchObject({ origin: 'signer.example/third', fence: NOW + 100 });
    expect(journal.standing.formerOrigins).toHaveLength(2);
  });
});

describe('a closed journal', () => {
  it('refuses everything and may be closed again', async () => {
    const queued = journal.started(program);
    journal.close();
    expect((await queued).size).toBe(2);
    journal.close();
    expect((await rejection(journal.reserve(request()))).code).toBe('JOURNAL_CLOSED');
    await journal.refuse({ publisher: 'vps1', service: undefined, rule: 'X', observed: '', limit: '' });
  });
});
