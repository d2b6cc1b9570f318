import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parseConfig } from '../../src/publisher/config.ts';
import { codeOf } from '../../src/publisher/error.ts';
import { createLog } from '../../src/publisher/log.ts';
import { Numbers } from '../../src/publisher/numbers.ts';
import { runPublisher } from '../../src/publisher/run.ts';
import { readExposition } from '../exposition.ts';
import { PortReservation } from '../tor-network/free-ports.ts';

it('A running publisher shows its numbers on an address of this host and in a file, for as long as it runs.', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'numbers-'));
  const ports = new PortReservation();
  const [numbers, control] = [await ports.take(), await ports.take()];
  const config = parseConfig(
    [
      `signers: ["unix:${folder}/nobody.sock"]`,
      `tor: { control: "127.0.0.1:${control}" }`,
      `state: ${folder}/state`,
      `metrics: ["127.0.0.1:${numbers}", "textfile:${folder}/numbers.prom"]`,
      '',
    ].join('\n'),
  );
  await ports.release();
  const ended = new AbortController();
  const running = runPublisher({
    config,
    logger: createLog('silent'),
    signal: ended.signal,
    version: '0.1.0',
  });
  const ask = (): Promise<Response | undefined> =>
    fetch(`http://127.0.0.1:${numbers}/metrics`).catch(() => undefined);
  let answer: Response | undefined;
  while (answer === undefined) answer = await ask();
  const text = await answer.text();
  const families = readExposition(text);
  const file = join(folder, 'numbers.prom');
  await expect.poll(() => existsSync(file), { timeout: 60_000 }).toBe(true);
  // Both are of one start; a collector of another user reads it.
  expect(readFileSync(file, 'utf8')).toBe(text);
  expect((statSync(file).mode & 0o777).toString(8)).toBe('644');
  expect(families.get('onion_publisher_build_info')?.samples[0]?.labels).toEqual({ version: '0.1.0' });
  expect(families.get('onion_publisher_tor_connected')?.samples[0]?.value).toBe(0);
  expect(families.get('onion_publisher_signer_reachable')?.samples[0]?.value).toBe(0);
  ended.abort();
  expect(await running).toBe(0);
  expect(await ask()).toBeUndefined();
  expect(readdirSync(folder).filter(name => name.startsWith('numbers'))).toEqual([]);
  rmSync(folder, { recursive: true });
});

it('A file that cannot be written is told once and stops nothing.', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'numbers-'));
  const textfile = join(folder, 'away', 'numbers.prom');
  const told: string[] = [];
  const open = () =>
    Numbers.open(
      { metrics: undefined, textfile },
      () => [],
      thrown => told.push(codeOf(thrown)),
    );
  (await open()).close();
  expect(told).toEqual(['ENOENT']);
  mkdirSync(join(folder, 'away'));
  const numbers = await open();
  expect(readdirSync(join(folder, 'away'))).toEqual(['numbers.prom']);
  numbers.close();
  expect([readdirSync(join(folder, 'away')), told]).toEqual([[], ['ENOENT']]);
  rmSync(folder, { recursive: true });
});
