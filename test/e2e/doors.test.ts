import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { SignerTarget } from '../../src/publisher/config-signers.ts';
import { SignerClient } from '../../src/publisher/signer-client.ts';
import { createSoftHsm, type SoftHsm } from '../softhsm/create-softhsm.ts';
import { closing, dial, makeIdentity, talk } from '../signer/tls-client.ts';
import { PortReservation } from '../tor-network/free-ports.ts';
import { readExposition } from '../exposition.ts';
import { goodRequest } from './daemon/backends.ts';
import { OTHER_PUBLISHER, PUBLISHER, SignerHome } from './daemon/home.ts';
import { ask } from './daemon/http.ts';
import { describeLogs, seenIn } from './daemon/logs.ts';
import { childrenOf } from './process-tree.ts';

// One daemon with all of its doors, as real processes: sockets, pipes to them, TLS. The test plays backends and sshd.

const TLS_PUBLISHER = 'vps3';
const MAIN = new URL('../../dist/signer/main.js', import.meta.url).pathname;

let folder: string;
let hsm: SoftHsm;
let home: SignerHome;
let port: number;
let numbers: number;
let pin: string;
let own: ReturnType<typeof makeIdentity>;
let stranger: ReturnType<typeof makeIdentity>;
const clients: SignerClient[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'doors-'));
  hsm = await createSoftHsm();
  home = new SignerHome(join(folder, 'signer'), hsm);
  [own, stranger] = [makeIdentity(folder, 'own'), makeIdentity(folder, 'stranger')];
  const ports = new PortReservation();
  [port, numbers] = [await ports.take(), await ports.take()];
  const publishers = { [TLS_PUBLISHER]: `tls:${own.pin}` };
  await home.configure({
    publishers,
    lines: [`listen: "127.0.0.1:${port}"`, `metrics: "127.0.0.1:${numbers}"`],
  });
  await home.succeed('token', 'prepare', hsm.uri, '--pin', hsm.pinSource, '--bits', '2048');
  await home.succeed('init');
  pin = await home.succeed('tls');
  const both = `${PUBLISHER}, ${TLS_PUBLISHER}`;
  const lines = ['limits: { points: 2..6, requests: 3000/h }'];
  await home.addService('frontpage', { publisher: both, backends: ['box-1', 'box-2'], lines });
  await home.addService('elsewhere', { publisher: OTHER_PUBLISHER, backends: ['far-1'] });
  await home.succeed('policy', 'apply', '--yes');
  await ports.release();
  await home.start();
});
afterAll(async () => {
  for (const client of clients) client.close();
  await home.dispose();
  await hsm.dispose();
  await rm(folder, { recursive: true, force: true });
});

function client(target: SignerTarget): SignerClient {
  const made = new SignerClient(target);
  clients.push(made);
  return made;
}

const overTls = (expected = pin, keyFile = own.file): SignerClient =>
  client({ kind: 'tls', host: '127.0.0.1', port, pin: expected, keyFile, name: 'https://signer' });

/** What sshd runs for a key whose line says `command="…serve --stdio NAME",restrict`: never what the client asks for. */
async function fakeSsh(publisher: string): Promise<readonly [string, ...string[]]> {
  const file = join(folder, `ssh-${publisher}`);
  const forced = [
    process.execPath,
    MAIN,
    '--config',
    join(home.folder, 'signer.yaml'),
    'serve',
    '--stdio',
    publisher,
  ];
  const cache = home.env['NODE_COMPILE_CACHE'];
  const text = `#!/bin/sh\nNODE_COMPILE_CACHE='${cache}' SSH_ORIGINAL_COMMAND="$*" exec ${forced.map(word => `'${word}'`).join(' ')}\n`;
  await writeFile(file, text, { mode: 0o700 });
  return [file, '-T', 'signer', 'cat /etc/passwd'];
}

const pipes = new Map<string, SignerClient>();

/** One pipe for each `name`, kept over the tests: it takes its time to start. */
async function overSsh(publisher = PUBLISHER, name = publisher): Promise<SignerClient> {
  const known = pipes.get(name);
  if (known !== undefined) return known;
  const made = client({ kind: 'exec', argv: await fakeSsh(publisher), name: `exec:ssh ${publisher}` });
  pipes.set(name, made);
  return made;
}

const names = async (asked: SignerClient): Promise<string[]> =>
  (await asked.services()).map(({ service }) => service);

/** Signs through this client, again while a second is spent. */
async function signed(asked: SignerClient): Promise<unknown> {
  for (let attempt = 0; ; attempt += 1) {
    const outcome = await asked.sign(goodRequest(home).request);
    if (outcome.kind !== 'busy' || attempt === 20) return outcome;
    await new Promise(resolve => setTimeout(resolve, (outcome.retryAfter ?? 1) * 1000));
  }
}

describe('by TLS', () => {
  test('a publisher whose pin the signer has, and who has the pin of the signer, gets its services signed', async () => {
    const there = overTls();
    expect(await names(there)).toEqual(['frontpage']);
    expect(await signed(there)).toMatchObject({ kind: 'answered', answer: { service: 'frontpage' } });
  });

  test('the wrong key on either side ends it', async () => {
    await expect(overTls(stranger.pin).services()).rejects.toMatchObject({ code: 'SIGNER_PIN' });
    await expect(overTls(pin, stranger.file).services()).rejects.toMatchObject({ code: 'SIGNER_CONNECT' });
    expect(await names(overTls())).toEqual(['frontpage']);
  });
});

describe('through a pipe', () => {
  test('as a forced command of ssh: whatever the client asks for, it speaks to one publisher’s socket', async () => {
    const there = await overSsh();
    expect(await names(there)).toEqual(['frontpage']);
    expect(await signed(there)).toMatchObject({ kind: 'answered', answer: { service: 'frontpage' } });
    expect(await names(await overSsh(OTHER_PUBLISHER))).toEqual(['elsewhere']);
  });

  test('without anything between: bytes in, bytes out, and its end is the daemon’s', async () => {
    const args = [MAIN, '--config', join(home.folder, 'signer.yaml'), 'serve', '--stdio', PUBLISHER];
    const child = spawn(process.execPath, args, { env: { ...process.env, ...home.env }, stdio: 'pipe' });
    const ended = once(child, 'close');
    child.stdin.write(closing('/healthz'));
    const said = (await child.stdout.toArray()).join('');
    expect(said).toMatch(/^HTTP\/1\.1 200 [^]*\{"status":"ok"\}$/u);
    expect(await ended).toEqual([0, null]);
  });

  test('twice at once it is one daemon, one keyholder, one journal', async () => {
    const pair = [await overSsh(), await overSsh(PUBLISHER, 'another')];
    expect(await Promise.all(pair.map(names))).toEqual([['frontpage'], ['frontpage']]);
    const running = (await childrenOf(process.pid)).filter(({ command }) => command.includes('--stdio'));
    expect(running.length).toBeGreaterThanOrEqual(2);
    for (const pipe of running) {
      expect(await filesOf(pipe.pid)).not.toContainEqual(expect.stringContaining('journal.sqlite'));
      expect(await childrenOf(pipe.pid)).toEqual([]);
    }
    expect(await filesOf(home.daemon.pid)).toContainEqual(expect.stringContaining('journal.sqlite'));
    const keyholders = (await childrenOf(home.daemon.pid)).filter(({ command }) =>
      /keyholder\.[jt]s/u.test(command),
    );
    expect(keyholders).toHaveLength(1);
  });

  test.each([
    ['nobody', 'BAD_VALUE'],
    [TLS_PUBLISHER, 'BAD_VALUE'],
  ])('there is none for %s', async (publisher, code) => {
    const { code: exit, stderr, stdout } = await home.command('serve', '--stdio', publisher);
    expect([exit, stdout, stderr.split(':')[0]]).toEqual([2, '', code]);
  });
});

describe('every door', () => {
  test('gives one answer, byte for byte, for what is unknown and for what is another publisher’s', async () => {
    const question = (service: string): string => {
      const body = JSON.stringify({ ...goodRequest(home).request, service });
      const head = [
        'POST /v1/descriptors HTTP/1.1',
        'Host: x',
        'Content-Type: application/json',
        'X-Request-Id: same',
      ];
      return [...head, `Content-Length: ${body.length}`, 'Connection: close', '', body].join('\r\n');
    };
    const undated = (said: string): string => said.replace(/^date: .*\r\n/imu, '');
    const [argv] = [await fakeSsh(PUBLISHER)];
    const speak: Record<string, (bytes: string) => Promise<string>> = {
      tls: async bytes => talk(dial(port, own), bytes),
      pipe: async bytes => {
        const child = spawn(argv[0], argv.slice(1), { stdio: 'pipe' });
        child.stdin.write(bytes);
        return (await child.stdout.toArray()).join('');
      },
    };
    for (const say of Object.values(speak)) {
      const [unknown, forbidden] = [
        undated(await say(question('nowhere'))),
        undated(await say(question('elsewhere'))),
      ];
      expect(unknown).toMatch(/^HTTP\/1\.1 404 [^]*"code":"SERVICE_UNKNOWN"/u);
      expect(forbidden).toBe(unknown);
    }
  });

  test('gives the answers of one publisher to no other', async () => {
    const { request } = goodRequest(home);
    const mine = await home.sign(request);
    const repeated = await home.ask(request);
    expect(JSON.parse(repeated.body)).toEqual(mine);
    // The same id, service and points from another publisher of the service: judged anew, not replayed.
    const theirs = await overTls().sign(request);
    expect(theirs).not.toMatchObject({ kind: 'answered', answer: { descriptors: mine.descriptors } });
  });
});

describe('a pin that is taken away', () => {
  test('by `policy apply` gets no further answer on a connection that is open, and SIGHUP gives it back', async () => {
    const there = overTls();
    expect(await names(there)).toEqual(['frontpage']);
    await home.configure({ publishers: { [TLS_PUBLISHER]: `tls:${stranger.pin}` } });
    await home.succeed('policy', 'apply', '--yes');
    // Idle for long, the connection may have ended meanwhile; then its successor is turned away.
    await expect(there.services()).rejects.toMatchObject({
      code: expect.stringMatching(/^SIGNER_(?:ANSWER|CONNECT)$/u) as string,
    });
    await expect(there.services()).rejects.toMatchObject({ code: 'SIGNER_CONNECT' });
    expect(await names(await overSsh())).toEqual(['frontpage']);
    expect(await names(overTls(pin, stranger.file))).toEqual(['frontpage']);
    await home.configure({ publishers: { [TLS_PUBLISHER]: `tls:${own.pin}` } });
    const from = home.daemon.lines.length;
    process.kill(home.daemon.pid, 'SIGHUP');
    await home.daemon.waitFor('pins', ({ msg }) => msg === 'pins read', from);
    expect(await names(there)).toEqual(['frontpage']);
  });
});

describe('numbers', () => {
  test('are those of the run, on a listener of this host and on the administration socket', async () => {
    const answer = await fetch(`http://127.0.0.1:${numbers}/metrics`);
    const text = await answer.text();
    const families = readExposition(text);
    const samples = (name: string) =>
      families.get(`onion_signer_${name}`)?.samples.map(({ labels, value }) => ({ ...labels, value })) ?? [];
    expect(samples('answers_total')).toContainEqual(
      expect.objectContaining({ publisher: TLS_PUBLISHER, service: 'frontpage', kind: 'signed' }),
    );
    expect(samples('certified_until_timestamp_seconds')).toHaveLength(2);
    expect(samples('exposure_end_timestamp_seconds')).toMatchObject([{ service: 'frontpage' }]);
    expect(samples('token_opened_timestamp_seconds').length).toBeGreaterThan(0);
    expect(samples('state_free_bytes')[0]?.value).toBeGreaterThan(0);
    expect(text).not.toMatch(/[a-z2-7]{56}|[0-9a-f]{40}|sha256/iu);
    const admin = await ask(home.socket('admin'), { method: 'GET', path: '/metrics', headers: {} });
    expect([...readExposition(admin.body).keys()]).toEqual([...families.keys()]);
  });
});

describe('the logs', () => {
  // The same as in the run of `daemon.test.ts`, of the doors that it does not open.
  describeLogs(
    () => [home],
    ['"signed"', '"refused"', '"turned away"', '"pins read"', TLS_PUBLISHER, '"request"'],
  );

  test('hold no pin and no address of a peer', () => {
    const log = home.logs();
    expect(seenIn(`pin ${pin}`)).toContain('base64');
    expect(log).toContain('STRANGER');
    expect(log).not.toMatch(/sha256\/|127\.0\.0\.1/u);
  });
});

test('without a daemon a pipe says so', async () => {
  expect(await home.stop()).toBe(0);
  const { code, stderr } = await home.command('serve', '--stdio', PUBLISHER);
  expect([code, stderr.split(':')[0]]).toEqual([2, 'NOT_READY']);
});

/** What the process has open. */
async function filesOf(pid: number): Promise<string[]> {
  const names = await readdir(`/proc/${pid}/fd`);
  return (await Promise.all(names.map(name => readlink(`/proc/${pid}/fd/${name}`).catch(() => [])))).flat();
}
