import { chownSync, existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { testNetwork } from '../../src/descriptor/index.ts';
import { connectKeyholder } from '../../src/pkcs11/keyholder-client.ts';
import type { SignAnswer, StatusAnswer } from '../../src/signer/contract/requests.ts';
import { backendDescriptor, pointsOf, signRequest } from '../e2e/daemon/backends.ts';
import { ask, get } from '../e2e/daemon/http.ts';
import type { ManagedProcess } from '../e2e/managed-process.ts';
import { SERVICE, TwoUsers, USERS, type User } from './two-users.ts';

// Core, keyholder and a stranger are three users of one host. Needs root, who alone can be all of them; CI is root.

const IS_ROOT = process.geteuid?.() === 0;
/** Each step is a command or two: seconds, and minutes where a machine has much else to do. */
const PATIENCE_MS = 600_000;

const READING = ['environ', 'maps', 'auxv', 'descriptors', 'working directory'];
const MEMORY = ['memory', 'process_vm_readv', 'process_vm_writev', 'ptrace', 'open descriptor'];
const LIMITS = ['core limit', 'core filter', 'oom score', 'priority', 'affinity'];
const SIGNALS = ['SIGUSR1', 'SIGSTOP', 'SIGTERM', 'SIGKILL'];
const ON_PROCESS = [...READING, ...MEMORY, ...LIMITS, ...SIGNALS];
const ON_FILE = ['read', 'write', 'unlink', 'rename', 'replace', 'link', 'mode'];
const ON_FOLDER = ['list', 'create'];
/** What the kernel says to somebody else. */
const REFUSED = /^(?:EACCES|EPERM)$/u;

describe.skipIf(!IS_ROOT)('core and keyholder under two users', { timeout: PATIENCE_MS }, () => {
  let stage: TwoUsers;
  let keyholder: ManagedProcess;
  let core: ManagedProcess;
  let signingPid: number;

  const inStage = (...names: string[]): string => join(stage.folder, ...names);
  const succeed = (user: User, ...args: string[]): string => {
    const { code, stdout, stderr } = stage.signer(user, ...args);
    expect([args[0], code, stderr]).toEqual([args[0], 0, expect.anything() as string]);
    return stdout;
  };
  /** As root: the administration socket is the core’s and root’s. */
  const status = async (): Promise<StatusAnswer> => await get<StatusAnswer>(stage.socket('admin'), '/status');

  /** Each is refused to `user`, and done to what is the user's own: the refusal is of whose it is. */
  function expectRefused(user: User, attempts: readonly (readonly [kind: string, target: string])[]): void {
    const outcomes = stage.attack(user, attempts);
    const done = [...outcomes].filter(([, outcome]) => !REFUSED.test(outcome));
    expect(done).toEqual([]);
    expect(outcomes.size).toBe(attempts.length);
    const kinds = [...new Set(attempts.map(([kind]) => kind))];
    const own = stage.attack(
      user,
      kinds.map(kind => [kind, 'own']),
    );
    expect([...own.values()]).toEqual(kinds.map(() => 'done'));
  }

  beforeAll(async () => {
    stage = await TwoUsers.create();
  });
  afterAll(() => stage?.dispose());

  describe('are made by hand, as docs/isolation.md says', () => {
    test('the keyholder makes its state and the identity as its own user', () => {
      expect(stage.keyholder('keyholder', 'init')).toMatchObject({ code: 0, stderr: '' });
      const prepare = ['token', 'prepare', stage.token, '--pin', `file:${stage.pinFile}`, '--bits', '2048'];
      succeed('keyholder', ...prepare);
      stage.writePolicy(succeed('keyholder', 'key', 'new', SERVICE, '--single-custodian').trim());
    });

    test('`init` writes the list, then asks the keyholder that runs for its name', () => {
      const first = stage.signer('root', 'init');
      expect([first.code, first.stderr]).toEqual([
        2,
        expect.stringMatching(/^KEYHOLDER_UNAVAILABLE: .*start the keyholder/u) as string,
      ]);
      expect(statSync(stage.list)).toMatchObject({ uid: 0, mode: 0o100644 });
      expect(existsSync(stage.door)).toBe(false);
      keyholder = stage.startKeyholder();
      succeed('root', 'init'); // which waits until it listens
      expect(statSync(inStage('core', 'journal.sqlite'))).toMatchObject({ uid: USERS.core, mode: 0o100600 });
      expect(existsSync(inStage('core', 'keyholder'))).toBe(false);
      expect(existsSync(inStage('core', 'host.key'))).toBe(false);
    });

    test('root applies policy, and the core serves: `status` says `own user`', async () => {
      succeed('root', 'policy', 'apply', '--yes');
      core = stage.startCore();
      await core.waitFor('ready', ({ msg }) => msg === 'ready', 0, PATIENCE_MS);
      expect(succeed('core', 'status')).toContain('isolation: own user');
      const pid = /process (\d+) stays/u.exec((await status()).periodKeys ?? '')?.[1];
      signingPid = Number(pid);
      expect(signingPid).toBeGreaterThan(1);
      for (const each of [keyholder.pid, signingPid])
        expect(statSync(`/proc/${each}`).uid).toBe(USERS.keyholder);
      expect(statSync(`/proc/${core.pid}`).uid).toBe(USERS.core);
    });

    test('a publisher gets its signature', async () => {
      const evidence = backendDescriptor(testNetwork('lab', 60), 'box-1');
      const request = signRequest(SERVICE, [evidence], pointsOf([evidence, 0, 1, 2]));
      const { status: code, body } = await ask(stage.socket('vps1'), { body: JSON.stringify(request) });
      expect([code, (JSON.parse(body) as SignAnswer).descriptors?.length]).toEqual([
        200,
        expect.any(Number) as number,
      ]);
    });
  });

  describe('the core’s user', () => {
    test.each([
      ['the keyholder', () => keyholder.pid],
      ['the process that has the PIN', () => signingPid],
    ])('can neither look into %s nor touch it', (_, pidOf) => {
      expectRefused(
        'core',
        ON_PROCESS.map(kind => [kind, String(pidOf())]),
      );
      // The same could be done to it by its own user.
      const own = stage.attack(
        'keyholder',
        READING.map(kind => [kind, String(pidOf())]),
      );
      expect([...own.values()]).toEqual(READING.map(() => 'done'));
    });

    test('can neither read nor change what belongs to the keyholder', () => {
      const files = ['state/state', 'state/marks', 'host.key', `identities/${SERVICE}.age`].map(name =>
        inStage('keyholder', name),
      );
      for (const file of [...files, stage.pinFile]) expect([file, existsSync(file)]).toEqual([file, true]);
      const folders = ['keyholder', 'keyholder/state', 'keyholder/identities'].map(name => inStage(name));
      expectRefused('core', [
        ...[...files, stage.pinFile].flatMap(file => ON_FILE.map(kind => [kind, file] as const)),
        ...folders.flatMap(folder => ON_FOLDER.map(kind => [kind, folder] as const)),
      ]);
    });

    test('cannot change list, configuration, policies or programs, which are root’s', () => {
      const files = [
        stage.list,
        stage.config,
        inStage('etc', 'policies', `${SERVICE}.yaml`),
        join(stage.program, 'dist', 'pkcs11', 'keyholder.js'),
        join(stage.program, 'node_modules', 'sodium-native', 'package.json'),
        join(stage.program, 'node'),
      ];
      const folders = ['etc', 'etc/policies', 'etc/keyholder', 'program', 'program/dist/pkcs11'].map(name =>
        inStage(name),
      );
      const changing = ON_FILE.filter(kind => kind !== 'read' && kind !== 'link');
      expectRefused('core', [
        ...files.flatMap(file => changing.map(kind => [kind, file] as const)),
        ...folders.map(folder => ['create', folder] as const),
      ]);
      expect([...stage.attack('core', [['read', stage.list]]).values()]).toEqual(['done']);
    });

    test('cannot take the place of the keyholder: neither its socket nor its state', () => {
      const changing = ['unlink', 'rename', 'replace', 'mode'];
      expectRefused('core', [
        ...changing.map(kind => [kind, stage.door] as const),
        ['create', inStage('door')],
      ]);
      const second = stage.keyholder('core', 'forget-pins');
      expect([second.code, second.stderr]).toEqual([
        2,
        expect.stringMatching(/^keyholder: STATE_/u) as string,
      ]);
    });

    test('is not believed when it writes a list', async () => {
      const reload = async (): Promise<string> => {
        const client = await connectKeyholder(stage.door);
        try {
          await client.reload();
          return 'taken';
        } catch (error) {
          return error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
        } finally {
          await client.close();
        }
      };
      const asked = async (owner: number): Promise<string> => {
        chownSync(stage.list, owner, owner);
        return await reload();
      };
      await core.stop();
      expect([await asked(USERS.core), await asked(USERS.stranger), await asked(USERS.root)]).toEqual([
        'LIST_OWNER',
        'LIST_OWNER',
        'taken',
      ]);
      core = stage.startCore();
      await core.waitFor('ready', ({ msg }) => msg === 'ready', 0, PATIENCE_MS);
    });
  });

  test('only the core’s user may open the keyholder’s door', () => {
    expect([...stage.attack('core', [['connect', stage.door]]).values()]).toEqual(['done']);
    expectRefused('stranger', [
      ['connect', stage.door],
      ...ON_FOLDER.map(kind => [kind, inStage('door')] as const),
    ]);
  });

  test('a stranger has nothing of either', () => {
    const doors = ['admin', 'vps1'].map(name => ['connect', stage.socket(name)] as const);
    const pids = [keyholder.pid, signingPid, core.pid].map(String);
    expectRefused('stranger', [
      ...doors,
      ...pids.flatMap(pid => ON_PROCESS.map(kind => [kind, pid] as const)),
    ]);
  });

  test('the keyholder’s user has nothing of the core', () => {
    expectRefused('keyholder', [
      ...ON_PROCESS.map(kind => [kind, String(core.pid)] as const),
      ...ON_FILE.map(kind => [kind, inStage('core', 'journal.sqlite')] as const),
      ['connect', stage.socket('admin')],
      ['list', inStage('core')],
      ['write', stage.config],
      ['write', stage.list],
      ['create', inStage('etc', 'keyholder')],
    ]);
  });

  test('both run on as before, and the list is the one that root wrote', async () => {
    expect([keyholder.running, core.running]).toEqual([true, true]);
    const { ready, isolation, periodKeys } = await status();
    expect([ready, isolation]).toEqual([true, 'own user']);
    expect(periodKeys).toContain(`process ${signingPid} stays`);
    expect(readFileSync(stage.config, 'utf8')).toContain('keyholder_list');
  });
});
