import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { pinBookPath } from '../../../src/pkcs11/pin-book.ts';
import { addPinCommands } from '../../../src/signer/commands/pin.ts';
import { parseConfig } from '../../../src/signer/config.ts';
import { rejection } from '../failure.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pin-command-'));
  vi.stubEnv('XDG_STATE_HOME', folder);
  mkdirSync(dirname(pinBookPath()), { recursive: true });
  writeFileSync(pinBookPath(), '');
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

/** `pin forget` of a signer with these lines more in its signer.yaml and no keyholder state. */
async function forget(...lines: string[]): Promise<void> {
  const program = new Command();
  addPinCommands(program, {
    config: () =>
      parseConfig(
        [
          'tokens: [ "pkcs11:token=a?module-name=softhsm2" ]',
          'pin: tty',
          'publishers: { vps1: unix }',
          `state: ${folder}`,
          ...lines,
          '',
        ].join('\n'),
        join(folder, 'signer.yaml'),
      ),
    configPath: () => '',
    command: rest => rest,
    print: () => undefined,
  });
  await program.parseAsync(['pin', 'forget'], { from: 'user' });
}

// Its state is another user's: to make a new one, as STATE_MISSING advises, would be the wrong way out.
test('a keyholder of a user of its own forgets by its own command', async () => {
  const error = await rejection(
    forget('keyholder: unix:/run/k.sock', 'keyholder_list: /etc/k/keyholder.list'),
  );
  expect(error).toMatchObject({
    code: 'KEYHOLDER_UNAVAILABLE',
    message: 'the keyholder has a user of its own: stop it and run its own `forget-pins` as that user',
  });
});

test('a keyholder of the same user is asked, and its state looked for', async () => {
  await expect(forget()).rejects.toMatchObject({ code: 'STATE_MISSING' });
});
