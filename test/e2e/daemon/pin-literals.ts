import { existsSync } from 'node:fs';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runCommand } from '../managed-process.ts';
import type { SignerHome } from './home.ts';

const PIN = '8372615409';

/** A PIN where it must not stand is refused, is not written down and not repeated. */
export function describePinLiterals(homeOf: () => SignerHome): void {
  const uris = ['pkcs11:token=a?pin-value=', 'pkcs11:token=a?%70in-value='].map(uri => uri + PIN);
  const yaml = (token: string, pin: string): string =>
    `tokens: ["${token}"]\npin: ${pin}\npublishers: { vps1: unix }\n`;

  /** Runs a command on a fresh folder, with signer.yaml when `text` is given. */
  async function run(text: string | undefined, ...args: string[]) {
    const { folder, env, spoken } = homeOf();
    const config = join(await mkdtemp(join(folder, 'literal-')), 'signer.yaml');
    if (text !== undefined) await writeFile(config, text);
    const result = await runCommand('onion-signer', ['--config', config, ...args], { env });
    spoken.push(result.stderr);
    return { ...result, config };
  }

  const cases: [string, string | undefined, string[]][] = [
    ['in signer.yaml', yaml('pkcs11:token=a', PIN), ['config']],
    ['in signer.yaml, which the daemon reads', yaml('pkcs11:token=a', `"${PIN}"`), ['serve']],
    ['in a URI of signer.yaml', yaml(uris[0]!, 'tty'), ['config']],
    ['in a URI of signer.yaml, written in another way', yaml(uris[1]!, 'tty'), ['config']],
    [
      'in the arguments of init',
      undefined,
      ['init', '--token', 'pkcs11:token=a', '--publisher', 'vps1', '--pin', PIN],
    ],
    ['in a URI for init', undefined, ['init', '--token', uris[0]!, '--publisher', 'vps1', '--pin', 'tty']],
    ['in the arguments of token prepare', undefined, ['token', 'prepare', 'URI', '--pin', PIN]],
    ['in a URI for token prepare', undefined, ['token', 'prepare', uris[0]!, '--pin', 'tty']],
  ];
  test.concurrent.each(cases)('is refused: %s', async (_, text, args) => {
    const known = args.map(each => (each === 'URI' ? homeOf().hsm.uri : each));
    const { code, stdout, stderr, config } = await run(text, ...known);
    expect([code, stderr.split(':')[0]]).toEqual([2, 'PIN_LITERAL']);
    expect(stdout + stderr).not.toContain(PIN);
    expect(existsSync(config)).toBe(text !== undefined);
  });

  test.concurrent('is not repeated either when an option is unknown', async () => {
    for (const args of [
      ['serve', `--pin=${PIN}`],
      ['key', 'new', 'a', `--pin=${PIN}`],
      ['serve', PIN],
    ]) {
      const { code, stdout, stderr } = await run(undefined, ...args);
      expect([code, stderr]).toEqual([2, expect.stringContaining('error: ')]);
      expect(stdout + stderr).not.toContain(PIN);
    }
  });

  test.concurrent('and the name of a source is taken', async () => {
    const token = ['--token', 'pkcs11:token=a', '--publisher', 'vps1', '--pin', 'credential:pin'];
    const { folder } = homeOf();
    const state = ['--state', join(folder, 'literal-state'), '--run', join(folder, 'literal-run')];
    const { code, config } = await run(undefined, 'init', ...token, ...state);
    expect([code, await readFile(config, 'utf8')]).toEqual([0, expect.stringContaining('credential:pin')]);
  });
}
