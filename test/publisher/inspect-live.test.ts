import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  encodeClientAuthFile,
  formatOnionAddress,
  parseKpHscDescEnc,
  parseOnionAddress,
  writeClientAuthPrivate,
  x25519PublicKey,
} from '../../src/descriptor/index.ts';
import { addInspectCommand } from '../../src/publisher/inspect-command.ts';
import type { InspectReport } from '../../src/publisher/inspect-report.ts';
import { startTorNetwork, type TorNetwork } from '../tor-network/tor-network.ts';
import { forge } from '../descriptor/forge.ts';

const CLIENT = new Uint8Array(randomBytes(32));
/** Of nobody. */
const ABSENT = formatOnionAddress(forge({ label: 'absent' }).kpHsId);

let network: TorNetwork;
let folder = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'inspect-'));
  network = await startTorNetwork({ backends: 2, holdBackends: true });
  const [, restricted] = network.backends;
  const clients = join(restricted!.hiddenServiceDirectory, 'authorized_clients');
  await mkdir(clients, { mode: 0o700 });
  const line = encodeClientAuthFile(parseKpHscDescEnc(x25519PublicKey(CLIENT)));
  await writeFile(join(clients, 'client.auth'), line, { mode: 0o600 });
  const key = new Uint8Array(128);
  writeClientAuthPrivate(key, parseOnionAddress(restricted!.address), CLIENT);
  await writeFile(join(folder, 'client.auth_private'), key, { mode: 0o600 });
  const { controlPort, cookiePath } = network.publisher;
  const lines = [
    'signers: ["unix:/none"]',
    `tor: { control: "127.0.0.1:${controlPort}", cookie: "${cookiePath}" }`,
  ];
  await writeFile(join(folder, 'publisher.yaml'), `${lines.join('\n')}\n`);
  await Promise.all(network.backends.map(each => each.start()));
  await network.waitBackendsPublished();
});
afterAll(async () => {
  await network.stop();
  await rm(folder, { recursive: true, force: true });
});

async function inspect(...words: string[]): Promise<InspectReport> {
  let out = '';
  let exit: number | undefined;
  const program = new Command('onion-publisher').exitOverride();
  addInspectCommand(program, {
    configPath: () => join(folder, 'publisher.yaml'),
    write: text => {
      out = text;
    },
    setExitCode: code => {
      exit = code;
    },
  });
  await program.parseAsync(['inspect', '--json', ...words], { from: 'user' });
  const report = JSON.parse(out) as InspectReport;
  expect(report.exitCode).toBe(exit);
  return report;
}

/** A circuit may fail and an upload be under way: neither says anything about what is inspected. */
function ownFindings({ findings }: InspectReport): string[] {
  return findings.map(({ code }) => code).filter(code => !/^HSDIRS?_/u.test(code));
}

describe('Inspecting services of stock tor', () => {
  it('fetches the descriptor of an address and reads all of it.', async () => {
    const [open] = network.backends;
    const report = await inspect(open!.address);
    expect(ownFindings(report)).toEqual([]);
    expect(report).toMatchObject({
      network: { address: open!.address, all: false, votingInterval: 10 },
      period: { lengthMinutes: 4, askedFor: true },
      client: { opened: 'address', restricted: false, points: { length: 3 } },
      origin: { looksLike: 'tor' },
    });
    // Texts made on the very hour alone have a mark of the expiry against tor.
    expect(report.origin?.marks.filter(({ speaksFor }) => !speaksFor.includes('tor')).length).toBeLessThan(2);
    expect(['first', 'second']).toContain(report.period?.role);
    expect(report.made?.byCounter).toBeDefined();
  });

  it('asks every responsible HSDir of a restricted service and opens it with the file of a client.', async () => {
    const [, restricted] = network.backends;
    const closed = await inspect('--all', restricted!.address);
    expect(ownFindings(closed)).toEqual([]);
    expect(closed).toMatchObject({ client: { opened: 'no', restricted: true, points: [] } });
    expect(closed.remarks.map(({ code }) => code)).toContain('RESTRICTED');
    // Of eight relays two replicas of four take all.
    expect(closed.network?.hsdirs).toHaveLength(8);
    const served = closed.network?.hsdirs.filter(({ result }) => result === 'served') ?? [];
    expect(served.length).toBeGreaterThan(0);
    for (const { digest, bytes } of served) {
      expect(digest).toMatch(/^[0-9a-f]{64}$/u);
      expect(bytes).toBeGreaterThan(14_000);
    }
    const key = join(folder, 'client.auth_private');
    const opened = await inspect('--all', '--client-key', key, restricted!.address);
    expect(ownFindings(opened)).toEqual([]);
    expect(opened).toMatchObject({
      client: { opened: 'client key', restricted: true, points: { length: 3 } },
      origin: { looksLike: 'tor' },
    });
    await expect(inspect('--client-key', key, network.backends[0]!.address)).rejects.toMatchObject({
      code: 'CLIENT_KEY_ADDRESS',
    });
  });

  it('says that no HSDir has a service which is not there.', async () => {
    expect(await inspect('--all', ABSENT)).toMatchObject({
      exitCode: 2,
      network: { hsdirs: { length: 8 } },
      findings: [{ code: 'NOTHING_REACHED', reason: 'NOT_PUBLISHED' }],
    });
  });
});
