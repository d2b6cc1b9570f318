import { describe, expect, test } from 'vitest';
import { KeptTexts } from '../../../src/signer/audit/kept-texts.ts';

/** Texts by name, each used at its place in the list (hours) by the entry of that number; `kept` is what there is. */
async function asked(kept: Set<string>, uses: readonly string[]): Promise<KeptTexts> {
  const source = {
    size: 0,
    checkpoints: [],
    // oxlint-disable-next-line typescript/require-await -- as a source gives them
    async *entries() {
      yield* [];
    },
    text: (digest: string) => Promise.resolve(kept.has(digest) ? Buffer.from(digest) : undefined),
    close: () => undefined,
  };
  const texts = new KeptTexts(source);
  for (const [index, name] of uses.entries()) await texts.text(name, { index, at: 3600 * index });
  return texts;
}

describe('texts that are gone', () => {
  test('are explained by retention while they are the oldest', async () => {
    const uses = ['a', 'b', 'c', 'd'];
    for (const kept of ['abcd', 'bcd', 'cd', 'd', '']) {
      const texts = await asked(new Set(kept), uses);
      expect(await texts.gap()).toBeUndefined();
      const gone = uses.length - kept.length;
      expect(texts.goneUntil).toBe(gone === 0 ? undefined : 3600 * (gone - 1));
    }
  });

  test('are a gap behind an older one that is kept, and counted', async () => {
    const uses = ['a', 'b', 'c', 'd'];
    expect(await (await asked(new Set('abc'), uses)).gap()).toEqual({ count: 1, index: 3 });
    expect(await (await asked(new Set('bd'), uses)).gap()).toEqual({ count: 1, index: 2 });
    expect(await (await asked(new Set('a'), uses)).gap()).toEqual({ count: 3, index: 1 });
  });

  test('count by their last use, as retention does', async () => {
    // `a` is used again last of all: it outlives `b`.
    expect(await (await asked(new Set('a'), ['a', 'b', 'a'])).gap()).toBeUndefined();
    expect(await (await asked(new Set('b'), ['a', 'b', 'a'])).gap()).toEqual({ count: 1, index: 2 });
  });

  test('of one moment are the last ones in their order: between two of the same second nothing is told', async () => {
    const kept = new Set('a');
    const texts = await asked(kept, []);
    await texts.text('a', { index: 0, at: 5 });
    await texts.text('b', { index: 1, at: 5 });
    expect(await texts.gap()).toBeUndefined();
    await texts.text('c', { index: 2, at: 6 });
    expect(await texts.gap()).toEqual({ count: 1, index: 2 });
  });

  test('accuse nobody when a daemon prunes while it is audited', async () => {
    const kept = new Set(['a', 'd']);
    const texts = await asked(kept, ['a', 'b', 'c', 'd']);
    kept.delete('a');
    expect(await texts.gap()).toBeUndefined();
  });
});
