import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { scanFolder, scanProcess } from '../../e2e/memory-scan.ts';
import { type Attack, mustHold } from '../attack.ts';

/** Memory of publisher and tor, and every file of the publisher's home, for all secrets in all encodings. */
export const search: Attack = {
  ids: ['D3', 'P4'],
  title: 'secrets in memory and files of the publisher’s host',
  run: async ({ stage, needles: known }) => {
    const pin = (await readFile(stage.hsm.pinFile, 'utf8')).trim();
    const needles = [...known, { name: 'PIN', bytes: Buffer.from(pin) }];
    const pids = [stage.network.publisher.pid, ...(stage.publisher.running ? [stage.publisher.pid] : [])];
    let bytes = 0;
    for (const pid of pids) {
      const { found, bytesRead } = scanProcess(pid, needles);
      mustHold(found.length === 0, `the host holds ${found.join(', ')}`);
      bytes += bytesRead;
    }
    for (const folder of [stage.publisherFolder, stage.network.publisher.dataDirectory]) {
      const { found, filesRead } = scanFolder(folder, needles);
      mustHold(found.length === 0 && filesRead > 0, `${folder} holds ${found.join(', ')}`);
    }
    // Positive controls: the same scan finds all of them where they are.
    const here = scanProcess(process.pid, needles).found;
    mustHold(
      needles.every(({ name }) => here.includes(name)),
      'the scan does not see what is there',
    );
    const planted = await mkdtemp(join(stage.folder, 'planted-'));
    await writeFile(join(planted, 'all'), Buffer.concat(needles.map(each => Buffer.from(each.bytes))));
    const { found } = scanFolder(planted, needles);
    await rm(planted, { recursive: true });
    mustHold(found.length >= needles.length, 'the scan of files does not see what is there');
    return `${needles.length} secrets, ${Math.round(bytes / 1e6)} MB: nothing`;
  },
};
