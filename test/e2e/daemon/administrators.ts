import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { makeSshKey, sshSign, type SshKey } from '../../ssh-keys.ts';
import { backendAddress } from './backends.ts';
import type { SignerHome } from './home.ts';
import { ask } from './http.ts';
import { entriesSince } from './journal-entries.ts';

/** How policy comes into force where administrators sign it. `homeOf` gives a running signer, and gets it back running. */
export function describeAdministrators(homeOf: () => SignerHome): void {
  const policies = (home: SignerHome, file: string): string => join(home.folder, 'policies', file);
  let people: Record<'anna' | 'ben', SshKey>;
  let replayed: string[];

  /** What counts: serial and text of the policy in force, and the keyholder's list. */
  async function inForce(home: SignerHome): Promise<unknown[]> {
    const { headers, body } = await ask(home.socket('admin'), {
      method: 'GET',
      path: '/policy',
      headers: {},
    });
    return [headers['policy-serial'], body, await readFile(join(home.state, 'keyholder.list'), 'base64')];
  }

  async function administer(home: SignerHome): Promise<void> {
    const lines = Object.entries(people).map(([name, { line }]) => `  ${name}: ${line}\n`);
    await writeFile(
      policies(home, '_administrators.yaml'),
      `threshold: 2\nadministrators:\n${lines.join('')}`,
    );
  }

  /** Signature files on what `policy propose` writes now. */
  async function sign(home: SignerHome, ...names: (keyof typeof people)[]): Promise<string[]> {
    const out = join(home.folder, `proposal-${Date.now()}`);
    await home.succeed('policy', 'propose', '--out', out);
    const text = await readFile(out, 'utf8');
    expect(text).toMatch(/^onion-signer policy proposal 1\n(?:[ -~]*\n)+$/u);
    return await Promise.all(
      names.map(async name => {
        const file = `${out}.${name}.sig`;
        await writeFile(file, sshSign(people[name], text));
        return file;
      }),
    );
  }

  const apply = async (home: SignerHome, ...files: string[]): Promise<[number, string]> => {
    const args = files.length === 0 ? [] : ['--signature', ...files];
    const { code, stdout, stderr } = await home.command('policy', 'apply', '--yes', ...args);
    return [code, code === 0 ? stdout : (stderr.split(':')[0] ?? '')];
  };

  describe('policy that administrators sign', () => {
    test('names them without a signature, and says so', async () => {
      const home = homeOf();
      people = { anna: makeSshKey(home.folder, 'anna'), ben: makeSshKey(home.folder, 'ben', 'ecdsa') };
      await administer(home);
      const [code, said] = await apply(home);
      expect(code).toBe(0);
      expect(said).toMatch(/\(administrators\) {2}administrator anna: absent → ssh-ed25519 SHA256:/u);
    });

    test('is refused with one signature of two, and comes into force with both', async () => {
      const home = homeOf();
      const before = await inForce(home);
      const file = policies(home, 'elsewhere.yaml');
      const good = await readFile(file, 'utf8');
      await writeFile(file, `${good}limits: { requests: 9/h }\n`);
      expect(await apply(home)).toEqual([2, 'POLICY_UNSIGNED']);
      replayed = await sign(home, 'anna', 'ben');
      expect(await apply(home, ...replayed.slice(0, 1))).toEqual([2, 'POLICY_UNSIGNED']);
      await writeFile(file, `${good}limits: { requests: 90/h }\n`);
      expect(await apply(home, ...replayed)).toEqual([2, 'POLICY_SIGNATURE']);
      expect(await inForce(home)).toEqual(before);
      await writeFile(file, `${good}limits: { requests: 9/h }\n`);
      const [code, said] = await apply(home, ...replayed);
      expect([code, said]).toEqual([0, expect.stringContaining('signed by anna, ben\n')]);
      expect(await inForce(home)).not.toEqual(before);
      await writeFile(file, good);
    });

    test('takes no signature a second time, and the daemon none that is missing', async () => {
      const home = homeOf();
      const before = await inForce(home);
      expect(await apply(home, ...replayed)).toEqual([2, 'POLICY_SIGNATURE']);
      const path = `/policy/${Number(before[0]) + 1}`;
      const headers = { 'content-type': 'application/octet-stream' };
      const put = await ask(home.socket('admin'), { method: 'PUT', path, headers, body: String(before[1]) });
      expect([put.status, (JSON.parse(put.body) as { code: string }).code]).toEqual([500, 'POLICY_UNSIGNED']);
      expect(await inForce(home)).toEqual(before);
    });

    test('stays as it is, whole, when one of its files is broken', async () => {
      const home = homeOf();
      const before = await inForce(home);
      const [good, broken] = [policies(home, 'elsewhere.yaml'), policies(home, 'frontpage.yaml')];
      const [goodText, brokenText] = [await readFile(good, 'utf8'), await readFile(broken, 'utf8')];
      await writeFile(good, `${goodText}limits: { requests: 8/h }\n`);
      await writeFile(broken, `${brokenText}limit: { requests: 8/h }\n`);
      const { code, stderr } = await home.command('policy', 'apply', '--yes');
      expect([code, stderr]).toEqual([2, expect.stringMatching(/^UNKNOWN_KEY: \S*frontpage\.yaml:\d+:1/u)]);
      expect(await inForce(home)).toEqual(before);
      await Promise.all([writeFile(good, goodText), writeFile(broken, brokenText)]);
    });

    test('keeps a retired backend out, also of a stopped signer, and its administrators go by their own word', async () => {
      const home = homeOf();
      expect(await home.stop()).toBe(0);
      const retired = policies(home, '_retired.yaml');
      await writeFile(retired, `retired: { far-0: ${backendAddress('far-0')} }\n`);
      expect((await apply(home, ...(await sign(home, 'anna', 'ben'))))[0]).toBe(0);
      await rm(retired);
      expect(await apply(home)).toEqual([2, 'BACKEND-RETIRED']);
      await writeFile(
        retired,
        `retired: { far-0: { address: ${backendAddress('far-0')}, may_return: true } }\n`,
      );
      await rm(policies(home, '_administrators.yaml'));
      expect(await apply(home)).toEqual([2, 'POLICY_UNSIGNED']);
      const [code, said] = await apply(home, ...(await sign(home, 'ben', 'anna')));
      expect([code, said]).toEqual([0, expect.stringContaining('LOOSENS  (administrators)')]);
      await rm(retired);
      expect((await apply(home))[0]).toBe(0);
      const signed = entriesSince(home, 0).filter(
        entry => entry.kind === 'policy' && entry.proposal !== null,
      );
      expect(signed).toHaveLength(3);
      await home.start();
      const audit = await home.command('audit', 'verify', '--json');
      expect(JSON.parse(audit.stdout)).toMatchObject({ findings: [] });
    });
  });
}
