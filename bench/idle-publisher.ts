import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManagedProcess } from '../test/e2e/managed-process.ts';
import { type Memory, memoryOf } from './processes.ts';

/** Memory of a publisher that has started and reaches neither tor nor a signer. */
export async function measureIdlePublisher(): Promise<Memory | undefined> {
  const folder = mkdtempSync(join(tmpdir(), 'onion-publisher-bench-'));
  const config = join(folder, 'publisher.yaml');
  const lines = [
    `signers: ["unix:${join(folder, 'nobody.sock')}"]`,
    'tor: { control: "127.0.0.1:1", socks: "127.0.0.1:1" }',
    `state: ${join(folder, 'state')}`,
    '',
  ];
  writeFileSync(config, lines.join('\n'));
  const publisher = new ManagedProcess('onion-publisher', ['--config', config, 'run']);
  try {
    await publisher.waitFor('its first look at tor', line => line['code'] === 'CONTROL_CONNECT');
    return memoryOf(publisher.pid);
  } finally {
    await publisher.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}
