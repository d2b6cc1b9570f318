import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  copyFileSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { parseHostKeySource } from '../../src/pkcs11/host-key.ts';
import { HostState } from '../../src/pkcs11/host-state.ts';
import { Secret } from '../../src/pkcs11/locked-memory.ts';
import { lockState } from '../../src/pkcs11/state-lock.ts';
import { identity } from '../descriptor/forge.ts';
import { expectCode, expectCodeOf } from './expect-code.ts';

let folder: string;
let state: string;
let hostKey: string;
const source = () => parseHostKeySource(`file:${hostKey}`);
const open = () => HostState.open(state, source());
const opened: HostState[] = [];
const opens = () => {
  const host = open();
  opened.push(host);
  return host;
};

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'keyholder-state-'));
  state = join(folder, 'state');
  hostKey = join(folder, 'host-key');
  HostState.create(state, source());
});
afterEach(() => {
  for (const host of opened.splice(0)) host.close();
  rmSync(folder, { recursive: true });
});

const service = (label: string, seed: number) => ({
  kpHsId: identity(label).kpHsId,
  origin: 'born',
  vouching: new Uint8Array(64).fill(seed),
  opened: { by: 'pkcs11:token=press', at: 1_700_000_000 + seed },
  periods: [
    {
      periodNum: 20_000,
      lengthMinutes: 1440,
      offsetSeconds: 43_200,
      key: { kind: 'seed', seed: Secret.copyOf(new Uint8Array(32).fill(seed)) } as const,
      secret: Secret.copyOf(new Uint8Array(32).fill(seed + 1)),
      ladder: [{ expiryHours: 480_060, signature: new Uint8Array(64).fill(seed) }],
    },
  ],
});

describe('the state of a keyholder', () => {
  test('comes back as it was saved, and is sealed on disk', () => {
    const host = opens();
    const services = [service('a', 0xa1), service('b', 0xb1)];
    const refusedPins = [new Uint8Array(32).fill(3)];
    const takenPins = [new Uint8Array(32).fill(4), new Uint8Array(32).fill(6)];
    host.save({ services, refusedPins, takenPins, listSerial: 9, listDigest: new Uint8Array(32).fill(5) });
    host.marks.close();
    const again = opens();
    expect(again.state).toMatchObject({ listSerial: 9, generation: 2n, refusedPins, takenPins });
    const [, second] = again.state.services;
    const key = second?.periods[0]?.key;
    expect(key?.kind === 'seed' && key.seed.use(bytes => bytes.toString('hex'))).toBe('b1'.repeat(32));
    expect(second?.periods[0]?.secret.use(bytes => bytes.toString('hex'))).toBe('b2'.repeat(32));
    expect(second?.vouching).toEqual(services[1]?.vouching);
    expect(second?.opened).toEqual(services[1]?.opened);
    expect(second?.periods[0]?.ladder).toEqual(services[1]?.periods[0]?.ladder);
    const onDisk = readFileSync(join(state, 'state'));
    for (const needle of [Buffer.alloc(8, 0xb1), Buffer.alloc(8, 0xb2), Buffer.from(identity('a').kpHsId)]) {
      expect(onDisk.includes(needle)).toBe(false);
    }
    expect(statSync(join(state, 'state')).mode & 0o777).toBe(0o600);
  });

  test('is made once, by init only; recovery puts the old one aside', () => {
    const vkey = opens().state.id;
    expectCode('STATE_EXISTS', () => HostState.create(state, source()));
    HostState.create(state, source(), { recover: true });
    expect(opens().state.id).not.toEqual(vkey);
  });

  test.each(['state', 'marks'])('is refused when its %s is missing', name => {
    opens();
    rmSync(join(state, name));
    expectCode('STATE_MISSING', open);
  });

  test('is refused when the folder is missing, or open to others', () => {
    chmodSync(state, 0o750);
    expectCode('STATE_OWNER', open);
    chmodSync(state, 0o700);
    opens();
    rmSync(state, { recursive: true });
    expectCode('STATE_MISSING', open);
  });

  test('is refused under the key of another host', () => {
    opens();
    const other = join(folder, 'other');
    writeFileSync(other, Buffer.alloc(32, 1), { mode: 0o400 });
    expectCode('STATE_SEALED', () => HostState.open(state, parseHostKeySource(`file:${other}`)));
  });

  test('of another release is refused, and not taken for a damaged one', () => {
    const whole = readFileSync(join(state, 'state'));
    expect(whole.toString('latin1', 0, 31)).toBe('onion-signer keyholder state 4\n');
    writeFileSync(
      join(state, 'state'),
      Buffer.concat([Buffer.from('onion-signer keyholder state 1\n'), whole.subarray(31)]),
    );
    expectCode('STATE_VERSION', open);
    writeFileSync(join(state, 'state'), whole);
    opens();
  });

  test('is refused when any part of it was changed or cut', () => {
    const whole = readFileSync(join(state, 'state'));
    for (const at of [0, 35, 60, 100, Math.floor(whole.length / 2), whole.length - 1]) {
      const changed = Buffer.from(whole);
      changed[at] = (changed[at] ?? 0) ^ 1;
      writeFileSync(join(state, 'state'), changed);
      expect(() => open()).toThrow(
        expect.objectContaining({ code: at === 35 ? 'STATE_SEALED' : 'STATE_CORRUPT' }),
      );
    }
    writeFileSync(join(state, 'state'), whole.subarray(0, -1));
    expectCode('STATE_CORRUPT', open);
    writeFileSync(join(state, 'state'), whole);
    opens();
  });

  test('cannot be put together from two of its versions', () => {
    const host = opens();
    host.save({ services: [service('a', 1)] });
    const first = readFileSync(join(state, 'state'));
    host.save({ services: [service('a', 3)] });
    const second = readFileSync(join(state, 'state'));
    const cut = first.length - (64 + 32 + 24 + 16 + 4);
    writeFileSync(join(state, 'state'), Buffer.concat([second.subarray(0, cut), first.subarray(cut)]));
    expectCode('STATE_CORRUPT', open);
  });

  test('is refused when it is older than its marks', () => {
    copyFileSync(join(state, 'state'), join(folder, 'snapshot'));
    const host = opens();
    host.save({ listSerial: 2 });
    copyFileSync(join(folder, 'snapshot'), join(state, 'state'));
    expectCode('STATE_ROLLBACK', open);
  });

  test('is refused with the marks of another state', () => {
    const other = join(folder, 'other');
    HostState.create(other, source());
    copyFileSync(join(other, 'marks'), join(state, 'marks'));
    expectCode('STATE_CORRUPT', open);
  });

  test('is never followed through a link', () => {
    copyFileSync(join(state, 'state'), join(folder, 'elsewhere'));
    rmSync(join(state, 'state'));
    symlinkSync(join(folder, 'elsewhere'), join(state, 'state'));
    expectCode('STATE_OWNER', open);
  });
});

describe('the host key', () => {
  test('is a file of mode 0400 with at least 32 bytes', () => {
    expect(statSync(hostKey).mode & 0o777).toBe(0o400);
    opens();
    chmodSync(hostKey, 0o440);
    expectCode('HOST_KEY', open);
    chmodSync(hostKey, 0o600);
    expectCode('HOST_KEY', open);
    writeFileSync(hostKey, Buffer.alloc(31));
    chmodSync(hostKey, 0o400);
    expectCode('HOST_KEY', open);
    rmSync(hostKey);
    expectCode('HOST_KEY', open);
  });

  test('may be a systemd credential, which others cannot read', () => {
    const credentials = join(folder, 'credentials');
    mkdirSync(credentials);
    const path = join(credentials, 'host-key');
    writeFileSync(path, Buffer.alloc(64, 9), { mode: 0o440 });
    vi.stubEnv('CREDENTIALS_DIRECTORY', credentials);
    const credential = parseHostKeySource('credential:host-key');
    const other = join(folder, 'other');
    HostState.create(other, credential);
    const host = HostState.open(other, credential);
    expect(host.protection).toBe('credential host-key');
    host.close();
    chmodSync(path, 0o444);
    expectCode('HOST_KEY', () => HostState.open(other, credential));
    vi.stubEnv('CREDENTIALS_DIRECTORY', undefined);
    expectCode('HOST_KEY', () => HostState.open(other, credential));
    vi.unstubAllEnvs();
  });

  test('is named by file or credential, not given', () => {
    expect(parseHostKeySource('credential:state')).toEqual({ kind: 'credential', name: 'state' });
    for (const text of ['file:relative', 'credential:../x', 'secret', 'env:X', '']) {
      expectCode('HOST_KEY', () => parseHostKeySource(text));
    }
  });
});

describe('the lock of a state', () => {
  test('is held by one process at a time', async () => {
    const lock = await lockState(state);
    await expectCodeOf('STATE_LOCKED', lockState(state));
    await lock.release();
    await (await lockState(state)).release();
  });

  test('is held by one of many that ask at once, also when a killed process left its socket', async () => {
    const killed = spawnSync(process.execPath, [
      '-e',
      `require('node:net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))`,
      join(state, 'lock'),
    ]);
    expect(killed.signal).toBe('SIGKILL');
    expect(lstatSync(join(state, 'lock')).isSocket()).toBe(true);
    const asked = await Promise.allSettled(Array.from({ length: 8 }, () => lockState(state)));
    const held = asked.filter(each => each.status === 'fulfilled');
    expect(held).toHaveLength(1);
    const refused = asked.filter(each => each.status === 'rejected');
    for (const { reason } of refused) expect(reason).toMatchObject({ code: 'STATE_LOCKED' });
    expect(refused).toHaveLength(7);
    await held[0]?.value.release();
    await (await lockState(state)).release();
  });

  test('is found by its socket in the folder too, and puts nothing away but an abandoned socket', async () => {
    const path = join(state, 'lock');
    const server = createServer().listen(path);
    await once(server, 'listening');
    await expectCodeOf('STATE_LOCKED', lockState(state));
    server.close();
    await once(server, 'close');
    for (const put of [() => writeFileSync(path, 'x'), () => symlinkSync(join(folder, 'x'), path)]) {
      put();
      await expectCodeOf('STATE_LOCKED', lockState(state));
      expect(lstatSync(path).isSocket()).toBe(false);
      rmSync(path);
    }
    await (await lockState(state)).release();
  });

  test('needs the folder', async () => {
    await expectCodeOf('STATE_MISSING', lockState(join(folder, 'nowhere')));
  });
});
