import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AuditReport } from '../../src/signer/audit/verify.ts';
import { checkBundle } from '../audit/check-bundle.ts';
import { createSoftHsm, type SoftHsm } from '../softhsm/create-softhsm.ts';
import { goodRequest } from './daemon/backends.ts';
import { PUBLISHER, SignerHome } from './daemon/home.ts';
import { sizeOf } from './daemon/journal-entries.ts';

const DOCUMENT = new URL('../../docs/audit.md', import.meta.url);

// `audit` on a real signer: core, keyholder and token process on SoftHSM, and the commands of docs/audit.md as they
// stand there.

let root: string;
let hsm: SoftHsm;
let home: SignerHome;
let folder: string;
let note: string;
const file = (name: string): string => join(folder, name);
const FILES = /^(?:bundle|note\.txt|entry\.txt|heads\.txt)$/;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'audit-'));
  hsm = await createSoftHsm();
  home = new SignerHome(join(root, 'signer'), hsm);
  folder = join(root, 'audited');
  mkdirSync(folder);
  await home.configure({ runway: '1s' });
  await home.succeed('token', 'prepare', hsm.uri, '--pin', hsm.pinSource, '--bits', '2048');
  await home.succeed('init');
  const lines = ['limits: { points: 2..6, min_backends: 2, requests: 3000/h }'];
  await home.addService('frontpage', { publisher: PUBLISHER, backends: ['box-1', 'box-2'], lines });
  await home.succeed('policy', 'apply', '--yes');
}, 240_000);
afterAll(async () => {
  await home.dispose();
  await hsm.dispose();
  rmSync(root, { recursive: true, force: true });
});

/** Runs one line of the document; gives its exit code and what it printed. */
async function run(line: string): Promise<[code: number | string, said: string]> {
  const [pipe = '', target] = line.split(' > ');
  const [command = '', filter] = pipe.split(' | ');
  const [program, ...words] = command
    .split(' ')
    .map(word => (FILES.test(word) ? file(word) : word.replace('ADDRESS', home.address('frontpage'))));
  if (program === 'python3') {
    const [, bundle = '', address = '', ...others] = words;
    const said = await checkBundle(bundle, address, ...others);
    return [said.startsWith('OK: ') ? 0 : 1, said];
  }
  const { code, stdout, stderr } = await home.command(...words);
  if (target !== undefined)
    writeFileSync(file(target), filter === undefined ? stdout : filtered(filter, stdout));
  // Of a pipe the last program tells.
  return [filter === undefined ? code : 0, stdout + stderr];
}

/** What `jq -j .KEY` prints. */
function filtered(filter: string, stdout: string): string {
  const [, key = ''] = /^jq -j \.(\w+)$/u.exec(filter) ?? [];
  const value = (JSON.parse(stdout) as Record<string, unknown>)[key];
  if (typeof value !== 'string') throw new Error(`${filter}: there is no such text`);
  return value;
}

const blocks = [...readFileSync(DOCUMENT, 'utf8').matchAll(/```sh\n(.*?)```/gsu)].map(([, text = '']) =>
  text.trim().split('\n'),
);

describe('an audit', { timeout: 240_000 }, () => {
  test('runs every command of the document: of the daemon, and for somebody else', async () => {
    await home.start();
    note = (await home.sign(goodRequest(home).request)).checkpoint;
    expect(sizeOf(note)).toBeGreaterThan(4);
    expect(blocks).toHaveLength(2);
    for (const line of blocks.flat()) expect([line, ...(await run(line))].slice(0, 2)).toEqual([line, 0]);
  });

  test('says the same of the daemon, of the journal alone, and of the folder', async () => {
    const reportOf = async (...args: string[]): Promise<AuditReport> =>
      JSON.parse(await home.succeed('audit', 'verify', '--json', ...args)) as AuditReport;
    const running = await reportOf('--address', home.address('frontpage'));
    expect(running).toMatchObject({ findings: [], unsigned: 0, unvouched: 0 });
    expect(running.texts.proven).toBeGreaterThan(0);
    expect(await reportOf('--bundle', file('bundle'))).toMatchObject({ findings: [] });
    expect(await home.stop()).toBe(0);
    const { unsigned: _, entries, ...stopped } = await reportOf('--checkpoint', file('note.txt'));
    expect(entries).toBeGreaterThanOrEqual(running.entries);
    expect(stopped).toMatchObject({ findings: [], origin: running.origin, texts: running.texts });
  });

  test('tells by its exit code what does not hold, and what cannot be asked', async () => {
    writeFileSync(file('other.txt'), note.replace(/\n\d+\n/u, '\n999999\n'));
    const exits = async (...args: string[]): Promise<number | string> =>
      (await home.command('audit', ...args)).code;
    expect(await exits('verify', '--checkpoint', file('other.txt'))).toBe(2);
    expect(await exits('verify', '--bundle', file('nothing'))).toBe(2);
    expect(await exits('prove', '999999')).toBe(2);
    expect(await exits('prove')).toBe(2);
    expect(await exits('export', file('bundle'))).toBe(2);
    expect(await exits('show', '--since', 'yesterday')).toBe(2);
  });
});
