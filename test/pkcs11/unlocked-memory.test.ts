import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';
import { FrameChannel } from '../../src/pkcs11/frames.ts';
import { type KeyholderClient, connectKeyholder } from '../../src/pkcs11/keyholder-client.ts';
import { encodeList, parseList } from '../../src/pkcs11/list.ts';
import { SWAP_ACCEPTED } from '../../src/pkcs11/memory-word.ts';
import { encodePinJudgement } from '../../src/pkcs11/pin-tags.ts';
import { SIGNING_FRAME, encodeEnter } from '../../src/pkcs11/signing-messages.ts';
import { TOKEN_FRAME, encodeFindRequest, parseFailure } from '../../src/pkcs11/token-messages.ts';
import { checkRunningMemory } from '../../src/signer/commands/running-memory.ts';
import { expectCode, expectCodeOf } from './expect-code.ts';
import { ENTRY, nextSecond, rig, useRig } from './keyholder-processes.ts';
import { backendDescriptor, pointsOf, targetsAt } from './keyholder-rig.ts';
import { underMemoryLimit } from './memory-limit.ts';

// A host on which no memory can be locked: as a user with `ulimit -l 0` and without CAP_IPC_LOCK.

useRig();
const NONE = underMemoryLimit(0);
/** As all other tests run. */
const ENOUGH: readonly string[] = [];
const running: ChildProcess[] = [];
afterEach(async () => {
  for (const child of running.splice(0)) {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }
});

function run(start: readonly string[], args: readonly string[], fd3: 'ignore' | 'pipe' = 'ignore') {
  const [command, ...before] = [...start, process.execPath, '--no-warnings'];
  const child = spawn(command, [...before, ...args], {
    env: { ...process.env, ...rig.hsm.env },
    stdio: ['ignore', 'ignore', 'pipe', fd3],
  });
  running.push(child);
  const words = { said: '' };
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (words.said += text));
  return { child, words };
}

const paths = (): string[] => ['--state', rig.paths.state, '--host-key', rig.paths.hostKey];

/** Of a keyholder that ends by itself: its exit code, and the code that it names. */
async function ended(start: readonly string[], args: readonly string[]): Promise<[unknown, string]> {
  const { child, words } = run(start, [ENTRY, ...args]);
  const [code] = (await once(child, 'close')) as unknown[];
  return [code, /^keyholder: ([A-Z_]+):/mu.exec(words.said)?.[1] ?? ''];
}

const SOCKET = 'unlocked.sock';
const serving = (): string[] => [...paths(), '--list', rig.paths.list, '--socket', join(rig.folder, SOCKET)];

async function serve(start: readonly string[]) {
  const { words } = run(start, [ENTRY, ...serving()]);
  let client: KeyholderClient | undefined;
  const reach = async (): Promise<void> => {
    client = await connectKeyholder(join(rig.folder, SOCKET));
  };
  await expect.poll(reach, { timeout: 60_000 }).toBeUndefined();
  if (client === undefined) throw new Error('it does not listen');
  return { client, words };
}

/** Evidence, order, text. Gives the number of texts. */
async function sign(client: KeyholderClient): Promise<number> {
  expect(await client.prepare()).toMatchObject([{ errorCode: '' }, { errorCode: '' }]);
  const proven = await client.prove(rig.alpha, backendDescriptor('a1'));
  if ('refused' in proven) throw new Error('refused');
  const result = await client.sign({
    kpHsId: rig.alpha,
    listSerial: rig.listSerial,
    points: pointsOf(proven.digest, 0, 1),
    targets: targetsAt(await nextSecond()),
  });
  return 'signed' in result ? result.signed.length : 0;
}

describe('a keyholder whose memory cannot be locked', () => {
  test('does not start, whatever its arguments say, unless its list accepts it', async () => {
    expect(await ended(NONE, serving())).toEqual([2, 'LOCKED_MEMORY']);
    // Who starts it is not asked: the list is.
    expect(await ended(NONE, [...serving(), SWAP_ACCEPTED])).toEqual([2, 'KEYHOLDER_ARGUMENTS']);
    // The control.
    const { client, words } = await serve(ENOUGH);
    expect((await client.status()).isMemoryLocked).toBe(true);
    expect(words.said).toBe('');
    await client.close();
  });

  test('starts and signs when its list accepts it, and says so; a list that does not is refused', async () => {
    rig.writeList({ lockedMemory: 'swap-accepted' });
    const { client, words } = await serve(NONE);
    expect(words.said).toMatch(/^keyholder: memory cannot be locked, as the list accepts/u);
    expect(await sign(client)).toBeGreaterThan(0);
    const { isMemoryLocked, listSerial } = await client.status();
    expect(isMemoryLocked).toBe(false);
    rig.writeList({ lockedMemory: 'required' });
    await expectCodeOf('LOCKED_MEMORY', client.reload());
    expect((await client.status()).listSerial).toBe(listSerial);
    await client.close();
    // `policy apply` asks it before it writes such a list, also where no core runs.
    const keyholder = { kind: 'unix', path: join(rig.folder, SOCKET) } as const;
    const config = { run: rig.folder, keyholder, isSwapAccepted: false };
    await expectCodeOf('LOCKED_MEMORY', checkRunningMemory(config));
    await checkRunningMemory({ ...config, isSwapAccepted: true });
  });

  test('signs with keys in a token as well, in a process that got the word from it', async () => {
    rig.writeList({ lockedMemory: 'swap-accepted', periodKeys: 'token' });
    const { client } = await serve(NONE);
    await expect.poll(async () => (await client.status()).signingToken.state, { timeout: 60_000 }).toBe('up');
    expect(await sign(client)).toBeGreaterThan(0);
    await client.close();
  });

  test('makes no state and forgets no PINs, unless whoever runs that accepts it', async () => {
    const hostKey = rig.paths.hostKey;
    const init = ['init', '--state', join(rig.folder, 'other-state'), '--host-key', hostKey];
    expect(await ended(NONE, init)).toEqual([2, 'LOCKED_MEMORY']);
    expect(await ended(NONE, [...init, SWAP_ACCEPTED])).toEqual([0, '']);
    expect(await ended(NONE, ['forget-pins', ...paths()])).toEqual([2, 'LOCKED_MEMORY']);
    expect(await ended(NONE, ['forget-pins', ...paths(), SWAP_ACCEPTED])).toEqual([0, '']);
  });
});

test('a list says whether secrets may reach swap in one of two words', () => {
  const [required, accepted] = (['required', 'swap-accepted'] as const).map(lockedMemory => {
    const list = rig.writeList({ lockedMemory });
    expect(parseList(readFileSync(rig.paths.list)).lockedMemory).toBe(lockedMemory);
    return Buffer.from(encodeList({ ...list, serial: 1 }));
  });
  if (required === undefined || accepted === undefined) throw new Error('there are two');
  const at = required.findIndex((byte, i) => byte !== accepted[i]);
  expect([required[at], accepted[at]]).toEqual([0, 1]);
  required[at] = 2;
  expectCode('LIST_SYNTAX', () => parseList(required));
});

describe('a keyholder whose memory can be locked', () => {
  test('locks it whatever its list accepts', async () => {
    rig.writeList({ lockedMemory: 'swap-accepted' });
    const { client, words } = await serve(ENOUGH);
    expect(words.said).toBe('');
    expect((await client.status()).isMemoryLocked).toBe(true);
    // Its list may say so again: nothing was given up.
    rig.writeList({ lockedMemory: 'required' });
    await client.reload();
    await client.close();
    const keyholder = { kind: 'unix', path: join(rig.folder, SOCKET) } as const;
    await checkRunningMemory({ run: rig.folder, keyholder, isSwapAccepted: false });
    // Nobody there: the next start decides.
    const nowhere = { kind: 'unix', path: join(rig.folder, 'nowhere.sock') } as const;
    for (const other of [nowhere, { kind: 'child' } as const])
      await checkRunningMemory({ run: rig.folder, keyholder: other, isSwapAccepted: false });
  });
});

describe('a process that loads a module where memory cannot be locked', () => {
  const access = { uri: 'pkcs11:token=none', modulePath: '/no/module.so', pinSource: 'file:/no/pin' };
  const REQUESTS = {
    'token-process': { type: TOKEN_FRAME.find, payload: encodeFindRequest(access) },
    'signing-process': {
      type: SIGNING_FRAME.enter,
      payload: encodeEnter({ access, label: 'onion-signer period key', known: [] }),
    },
  } as const;

  /** The code with which it refuses: MODULE_PATH is the control, it came so far. */
  async function ask(
    entry: keyof typeof REQUESTS,
    start: readonly string[],
    ...args: string[]
  ): Promise<string> {
    const path = fileURLToPath(new URL(`../../src/pkcs11/${entry}.ts`, import.meta.url));
    const { child } = run(start, [path, ...args], 'pipe');
    const channel = new FrameChannel(child.stdio[3] as Duplex);
    await channel.send(
      TOKEN_FRAME.pins,
      0,
      encodePinJudgement({ key: new Uint8Array(32), records: [], isOwn: false }),
    );
    await channel.send(REQUESTS[entry].type, 1, REQUESTS[entry].payload);
    const answer = await channel.receive();
    return answer?.type === TOKEN_FRAME.failure ? parseFailure(answer.payload).code : 'answered';
  }

  test.each(['token-process', 'signing-process'] as const)(
    '%s: does nothing unless it was accepted',
    async entry => {
      const codes = await Promise.all([
        ask(entry, NONE),
        ask(entry, NONE, SWAP_ACCEPTED),
        ask(entry, ENOUGH),
      ]);
      expect(codes).toEqual(['LOCKED_MEMORY', 'MODULE_PATH', 'MODULE_PATH']);
    },
  );
});
