import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parseConfig } from '../../src/publisher/config.ts';
import { createLog } from '../../src/publisher/log.ts';
import { runPublisher } from '../../src/publisher/run.ts';
import { readExposition } from '../exposition.ts';
import { PortReservation } from '../tor-network/free-ports.ts';

it('A running publisher shows its numbers on an address of this host, for as long as it runs.', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'numbers-'));
  const ports = new PortReservation();
  const [numbers, control] = [await ports.take(), await ports.take()];
  const config = parseConfig(
    [
      `signers: ["unix:${folder}/nobody.sock"]`,
      `tor: { control: "127.0.0.1:${control}" }`,
      `state: ${folder}/state`,
      `metrics: "127.0.0.1:${numbers}"`,
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
  const families = readExposition(await answer.text());
  expect(families.get('onion_publisher_build_info')?.samples[0]?.labels).toEqual({ version: '0.1.0' });
  expect(families.get('onion_publisher_tor_connected')?.samples[0]?.value).toBe(0);
  expect(families.get('onion_publisher_signer_reachable')?.samples[0]?.value).toBe(0);
  ended.abort();
  expect(await running).toBe(0);
  expect(await ask()).toBeUndefined();
  rmSync(folder, { recursive: true });
});
