import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fromHex, parseEd25519Public, parseKpHsId } from '../../src/descriptor/index.ts';
import type { Keyholder as InnerKeyholder } from '../../src/pkcs11/keyholder-service.ts';
import { vouch, vouchingNote } from '../../src/pkcs11/vouching.ts';
import { Checkpoints } from '../../src/signer/checkpoints.ts';
import { SignerError } from '../../src/signer/contract/problems.ts';
import { formatSignedNote, parseCheckpoint, parseSignedNote } from '../../src/signer/contract/signed-note.ts';
import type { Keyholder } from '../../src/signer/ports.ts';
import { createRig, now, type Rig } from '../pkcs11/keyholder-rig.ts';
import chain from '../vectors/own-chain.json' with { type: 'json' };
import { CoreRig } from './core-rig.ts';
import { rejection } from './failure.ts';
import { TestJournal } from './journal/open-test-journal.ts';

let rig: Rig;
let inner: InnerKeyholder;
let core: CoreRig;
beforeAll(async () => {
  rig = await createRig();
  rig.writeList();
  inner = rig.keyholder();
  core = new CoreRig(rig, inner);
});
afterAll(async () => {
  core.dispose();
  inner.close();
  await rig.dispose();
});

const sizeOf = (note: string): number => parseCheckpoint(parseSignedNote(note).text).size;
const grow = () =>
  core.core.journal.started({ version: 'x', network: 'tor', votingInterval: 3600 }).then(({ size }) => size);

describe('heads', () => {
  test('are signed one after the other, each proven from the last', async () => {
    const { checkpoints } = core.context;
    for (let i = 0; i < 5; i += 1) {
      const size = await grow();
      const notes = await Promise.all([checkpoints.newest(), checkpoints.newest()]);
      expect(notes.map(sizeOf)).toEqual([size, size]);
    }
    await Promise.all([grow(), checkpoints.newest(), grow(), checkpoints.newest()]);
    expect(sizeOf(await checkpoints.newest())).toBe(core.core.journal.head().size);
    // Another process begins from what the keyholder says.
    const again = new Checkpoints(core.core.journal, core.core.keyholder, now);
    await grow();
    expect(sizeOf(await again.newest())).toBe(core.core.journal.head().size);
  });

  test('go on after an answer of the keyholder that was lost', async () => {
    let loses = true;
    const { keyholder, journal } = core.core;
    const forgetful: Keyholder = {
      ...keyholder,
      checkpoint: async (...head) => {
        const note = await keyholder.checkpoint(...head);
        if (loses) throw new SignerError('KEYHOLDER_UNAVAILABLE', 'the answer was lost');
        return note;
      },
    };
    const checkpoints = new Checkpoints(journal, forgetful, now);
    await grow();
    expect((await rejection(checkpoints.newest())).code).toBe('KEYHOLDER_UNAVAILABLE');
    loses = false;
    await grow();
    expect(sizeOf(await checkpoints.newest())).toBe(journal.head().size);
  });

  test('are not asked for when the keyholder signed more than the journal has', async () => {
    const older = new TestJournal();
    try {
      const checkpoints = new Checkpoints(older.journal, core.core.keyholder, now);
      expect((await rejection(checkpoints.newest())).code).toBe('CHECKPOINT_FORK');
    } finally {
      older.remove();
    }
  });
});

describe('an echo', () => {
  test('is not excused by the line of a name that was given up, beside one that counts', async () => {
    const older = new TestJournal();
    try {
      // The journal was put back: what the keyholder signed meanwhile is not in it.
      const newest = await new Checkpoints(core.core.journal, core.core.keyholder, now).newest();
      const formerName = 'signer.example/test';
      await older.journal.recovered({ origin: 'signer.example/next', fence: now(), lost: null });
      expect(older.journal.standing.formerOrigins).toEqual([formerName]);
      const { text, signatures } = parseSignedNote(newest);
      const [own] = signatures;
      if (own === undefined) throw new Error('nobody signed');
      const former = { ...own, name: formerName };
      const judge = (...lines: (typeof own)[]): Promise<void> =>
        new Checkpoints(older.journal, core.core.keyholder, now).check(
          formatSignedNote({ text, signatures: lines }),
        );
      await judge(former);
      expect(older.journal.standing.halted).toBeUndefined();
      expect((await rejection(judge(former, own))).code).toBe('CHECKPOINT_AHEAD');
      expect(older.journal.standing.halted?.code).toBe('CHECKPOINT_AHEAD');
    } finally {
      older.remove();
    }
  });
});

describe('a vouching', () => {
  test('is written down once, and only for the key that signs here', async () => {
    const { checkpoints } = core.context;
    await inner.prepare();
    const { services } = await core.core.keyholder.status();
    await checkpoints.noteVouchings(services);
    await checkpoints.noteVouchings(services);
    const noted = [...core.core.journal.archive.entries()].filter(({ entry }) => entry.kind === 'vouched');
    expect(noted).toHaveLength(2);
    const [kpHsId, key] = [
      parseKpHsId(fromHex(chain.kpHsId)),
      parseEd25519Public(fromHex(chain.kpHsDescSign)),
    ];
    const bytes = fromHex(chain.expandedSecret);
    const halves = { scalar: bytes.subarray(0, 32), prfHalf: bytes.subarray(32) };
    const vouching = vouchingNote(kpHsId, key, vouch(halves, kpHsId, key));
    const foreign = checkpoints.noteVouchings([{ alias: 'alpha', vouching }]);
    expect((await rejection(foreign)).code).toBe('NOTE_UNVERIFIED');
  });
});
