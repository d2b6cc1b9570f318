import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { SignRequest } from '../../../src/signer/contract/requests.ts';
import type { RequestExplanation } from '../../../src/signer/explain-request.ts';
import type { FileExplanation } from '../../../src/signer/policy/explain-file.ts';
import { goodRequest } from './backends.ts';
import { OTHER_PUBLISHER, type SignerHome } from './home.ts';

/** SHA-256 over name, mode and bytes of every file below the folder; 64 hex digits. */
function folderDigest(folder: string): string {
  const hash = createHash('sha256');
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();
  for (const name of names) {
    const path = join(folder, name);
    const status = statSync(path);
    hash.update(`${name} ${status.mode} ${status.isFile() ? status.size : 0}\n`);
    if (status.isFile()) hash.update(readFileSync(path));
  }
  return hash.digest('hex');
}

/** What `policy check` and `policy explain` say of a running and of a stopped signer, and that they change nothing. */
export function describeExplain(homeOf: () => SignerHome): void {
  const file = (home: SignerHome, name: string): string => join(home.folder, name);
  const explain = async (home: SignerHome, request: SignRequest, ...more: string[]) => {
    const path = file(home, 'request.json');
    await writeFile(path, JSON.stringify(request));
    const { code, stdout } = await home.command('policy', 'explain', path, '--json', ...more);
    return { code, ...(JSON.parse(stdout) as RequestExplanation) };
  };

  test('a request is explained by the running signer, and then signed for the first time', async () => {
    const home = homeOf();
    const { request } = goodRequest(home);
    const said = await explain(home, request);
    expect(said).toMatchObject({ code: 0, outcome: 'signed', findings: [], publisher: 'vps1' });
    const { descriptors } = await home.sign(request);
    expect(descriptors.length).toBeGreaterThan(0);
    expect(await explain(home, request)).toMatchObject({ code: 0, outcome: 'repeated' });
    const other = await explain(home, request, '--publisher', OTHER_PUBLISHER);
    expect(other).toMatchObject({ code: 1, findings: [{ refusedBy: 'PUBLISHER-SERVICE' }] });
    const few = {
      ...goodRequest(home).request,
      points: request.points.slice(0, 1),
      evidence: request.evidence,
    };
    expect(await explain(home, few)).toMatchObject({
      code: 1,
      findings: [{ refusedBy: 'POINT-COUNT', observed: '1' }, { refusedBy: 'MIN-BACKENDS' }],
    });
    const path = file(home, 'request.json');
    await writeFile(path, '{}');
    expect((await home.command('policy', 'explain', path)).stderr).toMatch(/^REQUEST_SCHEMA: /u);
  });

  test('stopped, check and explain change nothing on disk, and apply does', async () => {
    const home = homeOf();
    const { request } = goodRequest(home);
    expect(await home.stop()).toBe(0);
    const before = folderDigest(home.folder);
    expect((await home.command('policy', 'check')).code).toBe(0);
    expect(folderDigest(home.folder)).toBe(before);

    const policy = join(home.folder, 'policies', 'frontpage.yaml');
    const { code, stdout } = await home.command('policy', 'explain', policy, '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout) as FileExplanation).toMatchObject({ what: 'service', problems: [] });
    expect(await home.succeed('policy', 'explain', policy)).toContain('would be taken');
    expect(await home.succeed('policy', 'explain', 'horizon')).toContain('which no policy changes');
    expect(folderDigest(home.folder)).toBe(before);

    // Its own file is one of them.
    await writeFile(file(home, 'request.json'), JSON.stringify(request));
    const asked = folderDigest(home.folder);
    const said = await explain(home, request);
    expect(said).toMatchObject({ code: 0, outcome: 'signed', findings: [] });
    expect(said.notJudged.join()).toContain('keyholder does not run');
    expect(folderDigest(home.folder)).toBe(asked);
    await home.succeed('policy', 'apply', '--yes');
    expect(folderDigest(home.folder)).not.toBe(asked);
    await home.start();
  });
}
