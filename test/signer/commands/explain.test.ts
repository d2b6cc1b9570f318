import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { addPolicyCommands } from '../../../src/signer/commands/policy.ts';
import { journalPath, type SignerConfig } from '../../../src/signer/config.ts';
import { createJournal } from '../../../src/signer/journal/journal.ts';
import { rejection } from '../failure.ts';
import { signerFolder } from './signer-folder.ts';
import { serviceYaml } from '../policy/services.ts';

/** `policy check` and `policy explain` as a newcomer calls them. */

let folder: string;
let config: SignerConfig;

beforeEach(() => {
  ({ folder, config } = signerFolder());
  write('policies/frontpage.yaml', serviceYaml());
});
afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
  rmSync(folder, { recursive: true });
});

function write(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

interface Said {
  readonly code: unknown;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(...args: string[]): Promise<Said> {
  const [printed, warned] = [new Array<string>(), new Array<string>()];
  const stderr = vi.spyOn(process.stderr, 'write').mockImplementation(text => warned.push(String(text)) > 0);
  process.exitCode = undefined;
  const program = new Command();
  const print = (text: string): void => void printed.push(text);
  addPolicyCommands(program, {
    config: () => config,
    configPath: () => config.file,
    command: rest => rest,
    print,
  });
  await program.parseAsync(['policy', ...args], { from: 'user' }).finally(() => stderr.mockRestore());
  return { code: process.exitCode ?? 0, stdout: printed.join(''), stderr: warned.join('') };
}

describe('policy check', () => {
  test('says all that is wrong, a line each, and takes the file when it is right', async () => {
    const bad = write('policies/frontpage.yaml', serviceYaml('enabled: yes\nsingle_onion: no\n'));
    const worse = write('policies/wiki.yaml', 'service: x\n');
    const { code, stdout, stderr } = await run('check');
    const places = stderr.split('\n').map(line => line.split(': ').slice(0, 2).join(' '));
    expect([code, stdout, places]).toEqual([
      2,
      '',
      [`BAD_VALUE ${bad}:5:10`, `BAD_VALUE ${bad}:6:15`, `MISSING_KEY ${worse}:1:1`, ''],
    ]);
    rmSync(worse);
    write('policies/frontpage.yaml', serviceYaml());
    // Its identity is not sealed here.
    expect(await run('check')).toMatchObject({
      code: 1,
      stdout: expect.stringContaining('services: 1') as string,
    });
  });

  test('says of a file with another ending that it is not read', async () => {
    write('policies/shop.yml', 'x');
    expect((await run('check')).stderr).toMatch(/^shop\.yml: not read; its name must end in \.yaml\n/u);
    rmSync(join(config.policies, 'shop.yml'));
    expect((await run('check')).stderr).not.toContain('not read');
  });
});

describe('policy explain', () => {
  test('finds a bare name among the policies, and says where it looked', async () => {
    const said = await run('explain', 'frontpage.yaml');
    expect(said).toMatchObject({ code: 0, stdout: expect.stringContaining('would be taken') as string });
    expect(said.stdout).not.toContain('it was read');
    const message = `wiki.yaml: there is no such file here, nor in ${config.policies}`;
    expect(await rejection(run('explain', 'wiki.yaml'))).toMatchObject({ code: 'FILE_UNREADABLE', message });
    expect(await rejection(run('explain', './frontpage.yaml'))).toMatchObject({ code: 'FILE_UNREADABLE' });
    expect(await rejection(run('explain', 'frontpage'))).toMatchObject({
      code: 'NOT_FOUND',
      message: expect.stringContaining('or a file: NAME.yaml, NAME.json') as string,
    });
  });

  test('says as what it read a file of elsewhere', async () => {
    const other = await run('explain', write('frontpage.yaml', serviceYaml()));
    expect(other.stdout).toContain(
      `it was read\n    in place of the file of the same name in ${config.policies}; to judge a change, keep the name\n`,
    );
    rmSync(join(config.policies, 'frontpage.yaml'));
    const fresh = await run('explain', write('new.yaml', serviceYaml()));
    expect(fresh.stdout).toContain(`beside the files in ${config.policies}, where none has this name`);
  });

  test('of what would be refused ends with 1', async () => {
    write('policies/frontpage.yaml', serviceYaml('enabled: yes\n'));
    expect(await run('explain', 'frontpage.yaml')).toMatchObject({ code: 1 });
    write('policies/frontpage.yaml', 'a: [\n');
    expect(await run('explain', 'frontpage.yaml')).toMatchObject({ code: 1 });
  });

  test('says where a request is no request', async () => {
    createJournal(journalPath(config), { origin: 'signer.example/test', now: 1 });
    const explained = (text: string) => rejection(run('explain', write('request.json', text)));
    const path = join(folder, 'request.json');
    expect(await explained('{\n  "é": 1;\n')).toMatchObject({
      code: 'JSON_SYNTAX',
      message: `${path}:2:9: close the object`,
    });
    const schema = await explained('{}');
    expect([schema.code, schema.message.startsWith(`${path}: the body must`)]).toEqual([
      'REQUEST_SCHEMA',
      true,
    ]);
    const request = { id: 'a'.repeat(16), service: 'x', evidence: [] };
    const points = [{ evidence: '0'.repeat(64), index: 0 }];
    expect((await explained(JSON.stringify({ ...request, points }))).code).toBe('POLICY_EMPTY');
  });
});
