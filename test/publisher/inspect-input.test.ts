import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  createWriteStream,
  mkdtempSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  encodeBase64,
  formatOnionAddress,
  parseHostnameFile,
  writeClientAuthPrivate,
} from '../../src/descriptor/index.ts';
import { encodeBase32 } from '../../src/descriptor/bytes.ts';
import { readClientKey } from '../../src/publisher/client-key.ts';
import { codeOf } from '../../src/publisher/error.ts';
import { addInspectCommand } from '../../src/publisher/inspect-command.ts';
import { MAX_INPUT_BYTES, readInput } from '../../src/publisher/inspect-input.ts';
import type { InspectReport } from '../../src/publisher/inspect-report.ts';
import { expectCode } from './expect-code.ts';
import { forge, noise } from '../descriptor/forge.ts';

const CLIENT = noise('a client', 32);
const NOW = Math.floor(Date.now() / 1000);
const { text, kpHsId } = forge();
const RESTRICTED = forge({ clients: [CLIENT] }).text;
const ADDRESS = formatOnionAddress(kpHsId);
const OTHER = formatOnionAddress(forge({ label: 'other' }).kpHsId);

let folder = '';
const path = (name: string): string => join(folder, name);
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'inspect-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe('The input', () => {
  it('is a file, or a link to one.', async () => {
    writeFileSync(path('descriptor'), text);
    symlinkSync('descriptor', path('link'));
    for (const name of ['descriptor', 'link'])
      expect(Buffer.compare(await readInput(path(name)), text)).toBe(0);
    writeFileSync(path('empty'), '');
    expect(await readInput(path('empty'))).toHaveLength(0);
    expect((await readInput('/proc/self/stat')).length).toBeGreaterThan(10);
  });

  it('is a FIFO into which somebody writes, at once or late.', async () => {
    execFileSync('mkfifo', [path('fifo')]);
    const read = readInput(path('fifo'));
    createWriteStream(path('fifo')).end(text);
    expect(Buffer.compare(await read, text)).toBe(0);
  });

  it('is no FIFO of nobody: that ends the waiting.', async () => {
    execFileSync('mkfifo', [path('fifo')]);
    await expectCode('INPUT_SILENT', readInput(path('fifo'), 50));
  });

  it('is neither a folder nor something without an end nor something absent.', async () => {
    await expectCode('INPUT_DIRECTORY', readInput(folder));
    await expectCode('INPUT_FILE', readInput(path('none')));
    await expectCode('INPUT_TOO_LARGE', readInput('/dev/zero'));
    writeFileSync(path('big'), '');
    truncateSync(path('big'), MAX_INPUT_BYTES + 1);
    await expectCode('INPUT_TOO_LARGE', readInput(path('big')));
    truncateSync(path('big'), MAX_INPUT_BYTES);
    expect(await readInput(path('big'))).toHaveLength(MAX_INPUT_BYTES);
  });

  it('with a hostile name is named without its control characters, and cut.', async () => {
    const name = `\u001b[31m\u202e${'x'.repeat(1000)}`;
    const refused = await readInput(path(name)).catch((thrown: unknown) => thrown);
    expect((refused as Error).message).toMatch(/^[\x20-\x7e]{1,400}$/u);
  });
});

describe('The key of a client', () => {
  const put = (content: string | Uint8Array, mode = 0o600): string => {
    writeFileSync(path('key'), content, { mode });
    chmodSync(path('key'), mode);
    return path('key');
  };
  const torsFile = (address: string): Uint8Array => {
    const file = new Uint8Array(128);
    writeClientAuthPrivate(file, parseHostnameFile(address), CLIENT);
    return file;
  };

  it.each([
    ['tor’s own form', () => torsFile(ADDRESS)],
    [
      'tor’s own form in upper case',
      () => `${ADDRESS.slice(0, 56)}:descriptor:x25519:${encodeBase32(CLIENT).toUpperCase()}\n`,
    ],
    ['base32', () => encodeBase32(CLIENT)],
    ['base32 in upper case, with LF', () => `${encodeBase32(CLIENT).toUpperCase()}\n`],
    ['base64', () => `${encodeBase64(CLIENT)}\n`],
    ['base64 without padding', () => encodeBase64(CLIENT).replace('=', '')],
  ])('is read in %s.', (_, content) => {
    expect(readClientKey(put(content()), ADDRESS)).toEqual(CLIENT);
    expect(readClientKey(put(content(), 0o400), ADDRESS.slice(0, 56))).toEqual(CLIENT);
  });

  it.each([
    ['nothing', ''],
    ['noise', noise('x', 60)],
    ['31 bytes', encodeBase64(CLIENT.subarray(1))],
    ['a digit that is none', `!${encodeBase32(CLIENT).slice(1)}`],
    ['two keys', `${encodeBase32(CLIENT)}\n${encodeBase32(CLIENT)}\n`],
    ['too much', 'a'.repeat(300)],
    ['tor’s form of an address that is none', `${'a'.repeat(56)}:descriptor:x25519:${encodeBase32(CLIENT)}`],
  ])('is not read from %s.', async (_, content) => {
    await expectCode('CLIENT_KEY_FORMAT', () => readClientKey(put(content), ADDRESS));
  });

  it('is not read from a file of another address, one that others may read, a link, a folder, or nowhere.', async () => {
    await expectCode('CLIENT_KEY_ADDRESS', () => readClientKey(put(torsFile(OTHER)), ADDRESS));
    for (const mode of [0o640, 0o604, 0o610]) {
      await expectCode('CLIENT_KEY_FILE', () => readClientKey(put(encodeBase32(CLIENT), mode), ADDRESS));
    }
    put(encodeBase32(CLIENT));
    symlinkSync('key', path('link'));
    for (const name of ['link', '.', 'none']) {
      await expectCode('CLIENT_KEY_FILE', () => readClientKey(path(name), ADDRESS));
    }
  });
});

describe('onion-publisher inspect', () => {
  /** The command in this process: what it prints, its exit code, and the code of what it throws. */
  async function run(...words: string[]): Promise<{ exit: number | undefined; out: string; code: string }> {
    const out: string[] = [];
    let exit: number | undefined;
    const program = new Command('onion-publisher')
      .exitOverride()
      .configureOutput({ writeOut: text => out.push(text) });
    addInspectCommand(program, {
      configPath: () => path('publisher.yaml'),
      write: text => out.push(text),
      setExitCode: code => {
        exit = code;
      },
    });
    for (const command of program.commands) command.copyInheritedSettings(program);
    let code = '';
    try {
      await program.parseAsync(['inspect', ...words], { from: 'user' });
    } catch (thrown) {
      code = codeOf(thrown);
    }
    return { exit, out: out.join(''), code };
  }

  it('ends with 0, 1 and 2, and prints the report in each case.', async () => {
    const fresh = forgeNow();
    writeFileSync(path('fresh'), fresh);
    writeFileSync(path('cut'), fresh.subarray(0, -300));
    const good = await run(path('fresh'), '--address', ADDRESS);
    expect(good).toMatchObject({ exit: 0, out: expect.stringContaining('no fault found') as string });
    const other = await run(path('fresh'), '--address', OTHER);
    expect(other).toMatchObject({ exit: 1, out: expect.stringContaining('OTHER_ADDRESS') as string });
    const cut = await run(path('cut'), '--json');
    expect(cut.exit).toBe(2);
    expect(JSON.parse(cut.out)).toMatchObject({
      format: 1,
      exitCode: 2,
      findings: [{ reason: 'CUT_SHORT' }],
    });
  });

  it('opens a restricted descriptor with the file of a client’s key, and shows that key nowhere.', async () => {
    writeFileSync(path('restricted'), RESTRICTED);
    writeFileSync(path('key'), encodeBase32(CLIENT), { mode: 0o600 });
    const { out } = await run(
      path('restricted'),
      '--address',
      ADDRESS,
      '--client-key',
      path('key'),
      '--json',
    );
    expect((JSON.parse(out) as InspectReport).client).toMatchObject({
      opened: 'client key',
      points: { length: 3 },
    });
    for (const form of [encodeBase32(CLIENT), encodeBase64(CLIENT), Buffer.from(CLIENT).toString('hex')]) {
      expect(out).not.toContain(form.slice(0, 20));
    }
  });

  it.each([
    ['a client key without an address', ['FILE', '--client-key', 'KEY'], 'CLIENT_KEY_UNUSED'],
    ['--all for a file', ['FILE', '--all'], 'ADDRESS_AND_FILE'],
    ['two addresses', [ADDRESS, '--address', ADDRESS], 'ADDRESS_AND_FILE'],
    ['an address without a configuration', [ADDRESS], 'FILE_UNREADABLE'],
    ['an address without .onion, and no configuration', [ADDRESS.slice(0, 56)], 'FILE_UNREADABLE'],
    ['a file that is not there', ['FILE.none'], 'INPUT_FILE'],
    ['a voting interval that is none', ['FILE', '--voting-interval', 'x'], 'commander.invalidArgument'],
  ])('refuses %s.', async (_, words, code) => {
    writeFileSync(path('FILE'), text);
    const named = words.map(word => (/^(?:FILE|KEY)/u.test(word) ? path(word) : word));
    expect(await run(...named)).toEqual({ exit: undefined, out: '', code });
  });

  it('reports an address that is none, for a file and for the network.', async () => {
    writeFileSync(path('descriptor'), forgeNow());
    const network = await run(`${'a'.repeat(56)}.onion`);
    expect(network).toMatchObject({ exit: 2, out: expect.stringContaining('BAD_ADDRESS') as string });
    const file = await run(
      path('descriptor'),
      '--address',
      'nonsense',
      '--client-key',
      path('none'),
      '--json',
    );
    expect(JSON.parse(file.out)).toMatchObject({
      exitCode: 2,
      hsdir: {},
      findings: [{ code: 'BAD_ADDRESS' }],
    });
  });

  it('tells tor’s absence, and a file that is called like an address.', async () => {
    writeFileSync(
      path('publisher.yaml'),
      `signers: ["unix:/x"]\ntor: { control: "unix:${path('none.sock')}" }\n`,
    );
    expect((await run(ADDRESS)).code).toBe('CONTROL_CONNECT');
    writeFileSync(path(ADDRESS), text);
    expect((await run(path(ADDRESS))).out).toContain('what an HSDir sees');
  });

  it('explains itself.', async () => {
    const { out, code } = await run('--help');
    expect(code).toBe('commander.helpDisplayed');
    for (const word of ['--all', '--client-key', '--address', '--json', 'Exit codes', 'docs/inspect.md']) {
      expect(out).toContain(word);
    }
  });
});

/** As of now, in the older of the two periods that are published. */
function forgeNow(): Uint8Array {
  const periodNum = Math.floor((NOW - 43_200) / 86_400);
  return forge({ at: NOW, period: { periodNum, lengthMinutes: 1440, offsetSeconds: 43_200 } }).text;
}
