import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readState } from '../../src/publisher/state.ts';
import { forge } from '../descriptor/forge.ts';

const MAIN = join(import.meta.dirname, '../../dist/publisher/main.js');

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'publisher-'));
});
const children = new Set<ChildProcess>();
afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  children.clear();
  rmSync(folder, { recursive: true, force: true });
});

function start(...words: string[]) {
  const child = spawn(process.execPath, [MAIN, '--config', join(folder, 'publisher.yaml'), ...words]);
  children.add(child);
  return child;
}

async function run(words: string[], input = ''): Promise<{ code: unknown; out: string; err: string }> {
  const child = start(...words);
  child.stdin.on('error', () => undefined).end(input);
  const [exit, out, err] = await Promise.all([once(child, 'exit'), text(child.stdout), text(child.stderr)]);
  return { code: exit[0] as unknown, out, err };
}

/** Nobody listens at any of these. */
function configure(): void {
  const lines = [
    `signers: ["unix:${folder}/no-signer.sock"]`,
    `tor: { control: "unix:${folder}/no-tor.sock" }`,
    `state: ${folder}/state`,
  ];
  writeFileSync(join(folder, 'publisher.yaml'), `${lines.join('\n')}\n`);
}

describe('onion-publisher', () => {
  it('says its version and its commands.', async () => {
    expect(await run(['--version'])).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/u) as string,
    });
    const help = await run(['--help']);
    expect(help.code).toBe(0);
    for (const word of ['init', 'run', 'status', 'inspect']) expect(help.out).toContain(word);
    expect((await run(['frobnicate'])).code).toBe(2);
  });

  it('init writes a configuration once.', async () => {
    expect((await run(['init'])).code).toBe(0);
    const written = readFileSync(join(folder, 'publisher.yaml'), 'utf8');
    expect(written).toContain('signers:');
    writeFileSync(join(folder, 'publisher.yaml'), 'mine');
    const again = await run(['init']);
    expect(again.code).toBe(2);
    expect(again.err).toMatch(/^onion-publisher: FILE_UNREADABLE: .*publisher\.yaml: this file exists/u);
    expect(readFileSync(join(folder, 'publisher.yaml'), 'utf8')).toBe('mine');
  });

  it('ends with 2 and the place of the fault for a configuration that is none.', async () => {
    expect((await run(['status'])).err).toContain('FILE_UNREADABLE');
    writeFileSync(join(folder, 'publisher.yaml'), 'signers: ["unix:/x"]\nwrong: 1\n');
    const { code, err } = await run(['run', '--once']);
    expect(code).toBe(2);
    expect(err).toMatch(/UNKNOWN_KEY: .*publisher\.yaml:2:1/u);
  });

  it('status ends with 2 while there is nothing.', async () => {
    configure();
    expect(await run(['status'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('STATE_MISSING') as string,
    });
  });

  it('run goes on without tor and signer, keeps its state to itself, and ends cleanly on SIGTERM.', async () => {
    configure();
    const child = start('run');
    const log = text(child.stderr);
    await expect.poll(() => readState(join(folder, 'state'))?.tor.code, { timeout: 20_000 }).toBeDefined();
    const second = await run(['run', '--once']);
    expect([second.code, second.err]).toEqual([2, expect.stringContaining('STATE_LOCKED')]);
    const exit = once(child, 'exit');
    child.kill('SIGTERM');
    expect(await exit).toEqual([0, null]);
    const lines = (await log)
      .trim()
      .split('\n')
      .map(line => JSON.parse(line) as Record<string, unknown>);
    expect(lines.map(({ msg }) => msg)).toEqual(
      expect.arrayContaining(['tor cannot be reached', 'the signer cannot be asked', 'stopped']),
    );
    expect(readState(join(folder, 'state'))).toMatchObject({ running: false, tor: { connected: false } });
    const { code, out } = await run(['status']);
    expect([code, out]).toEqual([2, expect.stringContaining('NOT RUNNING')]);
    expect(JSON.parse((await run(['status', '--json'])).out)).toMatchObject({ exitCode: 2, running: false });
  });

  it('takes over the state folder of a publisher that was killed.', async () => {
    configure();
    const child = start('run');
    await expect.poll(() => readState(join(folder, 'state'))?.tor.code, { timeout: 20_000 }).toBeDefined();
    const exit = once(child, 'exit');
    child.kill('SIGKILL');
    await exit;
    const next = start('run', '--log-level', 'silent');
    const state = () => readState(join(folder, 'state'));
    const before = state()?.startedAt ?? 0;
    await expect.poll(() => state()?.startedAt, { timeout: 20_000 }).toBeGreaterThan(before);
    const ended = once(next, 'exit');
    next.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
  });

  it('inspect reads a file or standard input.', async () => {
    const descriptor = Buffer.from(forge().text).toString('latin1');
    writeFileSync(join(folder, 'descriptor'), descriptor);
    const fromFile = await run(['inspect', join(folder, 'descriptor')]);
    expect(fromFile.out).toContain('what an HSDir sees');
    const fromInput = await run(['inspect', '-', '--json'], descriptor);
    expect(JSON.parse(fromInput.out)).toMatchObject({ hsdir: { lifetimeMinutes: 180 } });
    expect((await run(['inspect', '-'], 'nonsense')).code).toBe(2);
    expect(await run(['inspect', join(folder, 'none')])).toMatchObject({
      code: 2,
      err: expect.stringContaining('INPUT_FILE') as string,
    });
    expect((await run(['inspect', '-'], 'x'.repeat(1024 * 1024 + 1))).err).toContain('INPUT_TOO_LARGE');
  });
});
