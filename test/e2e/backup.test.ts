import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AgeProgram, createAgeProgram } from '../pkcs11/age-program.ts';
import { createSoftHsm } from '../softhsm/create-softhsm.ts';
import { SignerHome } from './daemon/home.ts';

/** An operator's life with recipients and backups: by commands only, and no daemon runs. */
let home: SignerHome;
let paper: AgeProgram;
let other: AgeProgram;
let spare: string;
let address: string;

const envelope = (service = 'frontpage'): string => join(home.state, 'identities', `${service}.age`);

interface Listed {
  readonly recipients: readonly { readonly name: string; readonly kind: string; readonly at?: number }[];
  readonly copies: readonly { readonly name: string; readonly at: number }[];
}
const list = async (): Promise<Listed> =>
  JSON.parse(await home.succeed('key', 'recipients', 'list', 'frontpage', '--json')) as Listed;
const names = async (): Promise<string[]> => (await list()).recipients.map(({ name }) => name);

beforeAll(async () => {
  const hsm = await createSoftHsm();
  await hsm.makeKey();
  spare = await hsm.addToken('spare');
  await hsm.makeKey({ uri: spare });
  home = new SignerHome(mkdtempSync(join(tmpdir(), 'backup-home-')), hsm);
  [paper, other] = [createAgeProgram(), createAgeProgram()];
  await home.configure({ deadline: '60s' });
  address = await home.succeed('key', 'new', 'frontpage', '--single-custodian');
});
afterAll(async () => {
  paper.dispose();
  other.dispose();
  await home.dispose();
  await home.hsm.dispose();
});

describe('recipients', () => {
  test('are added, named, and open: one paper key, one spare token', async () => {
    const { uid, mode } = statSync(envelope());
    const add = ['key', 'recipients', 'add', 'frontpage'];
    const said = await home.succeed(...add, '--recipient', paper.recipient, '--token', spare);
    expect(said).toContain('sealed to 3 recipients');
    expect(said).toContain('as the header says');
    expect(said).toContain('pkcs11:token=spare');
    expect(await names()).toEqual([
      expect.stringMatching(/^[\w+/]{16}$/u),
      expect.stringMatching(/^[\w+/]{16}$/u),
      paper.recipient,
    ]);
    expect(statSync(envelope())).toMatchObject({ uid, mode });
    expect(paper.decrypt(readFileSync(envelope()))).toHaveLength(128);
  });

  test('that are none, or there already, change nothing', async () => {
    const before = readFileSync(envelope());
    const add = ['key', 'recipients', 'add', 'frontpage'];
    for (const [args, code] of [
      [add, 'BAD_VALUE'],
      [[...add, '--recipient', paper.recipient], 'ENVELOPE_RECIPIENT'],
      [[...add, '--recipient', 'age1no'], 'ENVELOPE_RECIPIENT'],
      [['key', 'recipients', 'remove', 'frontpage', other.recipient], 'RECIPIENT_UNKNOWN'],
      [['key', 'recipients', 'list', 'nobody'], 'BAD_VALUE'],
    ] as const) {
      const { code: exit, stderr } = await home.command(...args);
      expect([exit, stderr.split(':')[0]], args.join(' ')).toEqual([2, code]);
    }
    expect(readFileSync(envelope())).toEqual(before);
  });
});

describe('verify-backup', () => {
  const verify = async (...args: string[]) =>
    await home.command('key', 'verify-backup', 'frontpage', ...args);

  test('opens with the tokens of signer.yaml, says who was not tried, and remembers', async () => {
    expect((await list()).recipients.every(({ at }) => at === undefined)).toBe(true);
    const { code, stdout } = await verify();
    expect([code, stdout.split('\n').map(line => line.split('\t')[0])]).toEqual([
      1,
      ['opened', 'not tried', 'not tried', ''],
    ]);
    expect((await list()).recipients.map(({ at }) => at !== undefined)).toEqual([true, false, false]);
  });

  test('with every token and the paper key is whole', async () => {
    await home.configure({ tokens: [home.hsm.uri, spare] });
    const { code, stdout } = await verify('--identity-file', paper.keyFile);
    expect(stdout.match(/^opened/gmu)).toHaveLength(3);
    expect(code).toBe(0);
    expect((await list()).recipients.every(({ at }) => Math.abs((at ?? 0) - Date.now() / 1000) < 3600)).toBe(
      true,
    );
  });

  test('fails for a paper key of another envelope, and for a service of another key', async () => {
    const stranger = await verify('--identity-file', other.keyFile);
    expect([stranger.code, stranger.stdout]).toEqual([2, expect.stringContaining('ENVELOPE_NO_RECIPIENT')]);
    const whole = readFileSync(envelope());
    const damaged = Buffer.from(whole);
    damaged[damaged.length - 1]! ^= 1;
    writeFileSync(envelope(), damaged);
    const { code, stdout } = await verify('--identity-file', paper.keyFile);
    writeFileSync(envelope(), whole);
    expect(code).toBe(2);
    expect(stdout.match(/^failed\t.*\tENVELOPE_PAYLOAD: .+$/gmu)).toHaveLength(3);
  });
});

describe('a wrong PIN', () => {
  test('is tried at one token, and not at the next one of the same source', async () => {
    const wrong = join(home.folder, 'wrong-pin');
    writeFileSync(wrong, 'not the pin\n', { mode: 0o600 });
    const { pin } = home.settings;
    await home.configure({ pin: `file:${wrong}` });
    const { code, stdout } = await home.command('key', 'verify-backup', 'frontpage');
    await home.configure({ pin });
    expect(code).toBe(2);
    const tried = stdout.split('\n').filter(line => line.includes('\tPIN_INCORRECT: '));
    expect(tried.map(line => line.split('\t')[0])).toEqual(['failed', 'not tried']);
    expect((await home.command('key', 'verify-backup', 'frontpage')).stdout).not.toContain('PIN_INCORRECT');
  });
});

describe('a passphrase copy', () => {
  test('is written once, verified, and brings the service back to a new token', async () => {
    const words = join(home.folder, 'words');
    writeFileSync(words, 'several words of a passphrase\n', { mode: 0o600 });
    const copy = join(home.folder, 'frontpage.copy.age');
    const args = ['key', 'passphrase-copy', 'frontpage', copy, '--passphrase', `file:${words}`];
    await home.succeed(...args);
    expect(statSync(copy).mode & 0o777).toBe(0o600);
    expect(readFileSync(copy, 'latin1')).toMatch(/^age-encryption\.org\/v1\n-> scrypt \S{22} 18\n/u);
    expect((await home.command(...args)).code).toBe(2);
    expect((await list()).copies).toEqual([expect.objectContaining({ name: `copy:${copy}` })]);
    const passphrase = ['--passphrase', `file:${words}`];
    const verified = await home.command('key', 'verify-backup', 'frontpage', '--copy', copy, ...passphrase);
    expect(verified.stdout).toContain(`opened\tcopy:${copy}`);
    const literal = await home.command(
      'key',
      'verify-backup',
      'frontpage',
      '--copy',
      copy,
      '--passphrase',
      'words',
    );
    expect(literal.stdout).toContain('PIN_LITERAL');

    const back = ['key', 'import', 'from-copy', copy, ...passphrase, '--recipient', paper.recipient];
    expect(await home.succeed(...back)).toBe(address);
    const [was, is] = [envelope(), envelope('from-copy')].map(path => paper.decrypt(readFileSync(path)));
    expect(is).toEqual(was);
    expect(await home.succeed('key', 'list')).toMatch(/^from-copy\t\S+\timported/mu);
  });
});

describe('an envelope and its paper key', () => {
  test('bring the service back, with its secret and its origin', async () => {
    const backup = join(home.folder, 'backup.age');
    writeFileSync(backup, readFileSync(envelope()));
    const args = ['--identity-file', paper.keyFile, '--single-custodian', '--recipient', other.recipient];
    expect(await home.succeed('key', 'import', 'from-paper', backup, ...args)).toBe(address);
    const [was, is] = [
      paper.decrypt(readFileSync(envelope())),
      other.decrypt(readFileSync(envelope('from-paper'))),
    ];
    expect(is).toEqual(was);
    expect(await home.succeed('key', 'list')).toMatch(/^from-paper\t\S+\tborn here$/mu);
    const both = await home.command('key', 'import', 'x', backup, ...args, '--passphrase', 'tty');
    expect([both.code, both.stderr.split(':')[0]]).toEqual([2, 'BAD_VALUE']);
  });
});

describe('less', () => {
  test('the last recipient but one goes only where one custodian is accepted', async () => {
    const remove = ['key', 'recipients', 'remove', 'frontpage'];
    const [first = '', second = ''] = await names();
    const said = await home.command(...remove, second);
    expect([said.code, said.stderr]).toEqual([0, expect.stringContaining('old copy')]);
    const refused = await home.command(...remove, paper.recipient);
    expect([refused.code, refused.stderr.split(':')[0]]).toEqual([2, 'BAD_VALUE']);
    await home.succeed(...remove, paper.recipient, '--single-custodian');
    expect(await names()).toEqual([first]);
    expect(paper.decrypt(readFileSync(envelope()))).toBeUndefined();
  });

  test('a retired identity is out of the way, under its address and after policy only', async () => {
    const retire = (...args: string[]) => home.command('key', 'retire', 'frontpage', ...args);
    expect((await retire('--address', `${'a'.repeat(56)}.onion`)).code).toBe(2);
    home.addresses.set('frontpage', address);
    await home.succeed('key', 'retire', 'from-copy', '--address', address);
    mkdirSync(join(home.folder, 'policies'), { recursive: true });
    await home.writePolicy('frontpage', { publisher: 'vps1', backends: ['one'] });
    const served = await retire('--address', address);
    expect([served.code, served.stderr]).toEqual([2, expect.stringContaining('policy apply')]);
    const policy = join(home.folder, 'policies', 'frontpage.yaml');
    rmSync(policy);
    const { code, stdout } = await retire('--address', address);
    expect(code).toBe(0);
    expect(readFileSync(stdout.trim())).toHaveLength(statSync(stdout.trim()).size);
    expect(await home.succeed('key', 'list')).not.toMatch(/^frontpage\t/mu);
  });
});
