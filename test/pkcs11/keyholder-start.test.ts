import { hash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { initKeyholder } from '../../src/pkcs11/keyholder-client.ts';
import { encodeList } from '../../src/pkcs11/list.ts';
import { expectCodeOf } from './expect-code.ts';
import { rig, start, useRig } from './keyholder-processes.ts';

useRig();

describe('state and list at the start', () => {
  test('a state is made by init, once, and never silently', async () => {
    rmSync(rig.paths.state, { recursive: true });
    await expectCodeOf('STATE_MISSING', start());
    expect(existsSync(rig.paths.state)).toBe(false);
    await initKeyholder(rig.paths);
    expect(statSync(rig.paths.state).mode & 0o777).toBe(0o700);
    const client = await start();
    const { checkpointVkey } = await client.status();
    await client.close();
    await expectCodeOf('STATE_EXISTS', initKeyholder(rig.paths));
    await initKeyholder(rig.paths, { recover: true });
    expect((await (await start()).status()).checkpointVkey).not.toBe(checkpointVkey);
  });

  test('a state that was changed, or belongs to another host, is refused', async () => {
    const path = join(rig.paths.state, 'state');
    const whole = readFileSync(path);
    const changed = Buffer.from(whole);
    changed[200] = (changed[200] ?? 0) ^ 1;
    writeFileSync(path, changed);
    await expectCodeOf('STATE_CORRUPT', start());
    writeFileSync(path, whole);
    const other = join(rig.folder, 'other-host-key');
    writeFileSync(other, Buffer.alloc(32, 1), { mode: 0o400 });
    await expectCodeOf('STATE_SEALED', start({ hostKey: `file:${other}` }));
    expect((await (await start()).status()).services).toHaveLength(2);
  });

  test('a state serves one keyholder', async () => {
    const first = await start();
    await expectCodeOf('STATE_LOCKED', start());
    await first.close();
    await start();
  });

  test('an older list is refused, and another one of the same serial', async () => {
    const { list } = rig.paths;
    const older = join(rig.folder, 'older');
    copyFileSync(list, older);
    const newer = rig.writeList();
    const client = await start();
    expect((await client.status()).listSerial).toBe(newer.serial);
    const kept = readFileSync(list);
    expect((await client.status()).listDigest).toEqual(new Uint8Array(hash('sha256', kept, 'buffer')));
    copyFileSync(older, list);
    await expectCodeOf('LIST_SERIAL', client.reload());
    writeFileSync(list, encodeList({ ...newer, runwaySeconds: 60 }));
    await expectCodeOf('LIST_SERIAL', client.reload());
    expect((await client.status()).runwaySeconds).toBe(newer.runwaySeconds);
    await client.close();
    copyFileSync(older, list);
    await expectCodeOf('LIST_SERIAL', start());
    writeFileSync(list, kept);
    const again = await start();
    rig.writeList({ runwaySeconds: 60 });
    await again.reload();
    expect((await again.status()).runwaySeconds).toBe(60);
  });

  test('a list that others may write, a link, and none at all are refused', async () => {
    const { list } = rig.paths;
    chmodSync(list, 0o620);
    await expectCodeOf('LIST_OWNER', start());
    chmodSync(list, 0o602);
    await expectCodeOf('LIST_OWNER', start());
    chmodSync(list, 0o644);
    await (await start()).close();
    const moved = join(rig.folder, 'moved');
    copyFileSync(list, moved);
    rmSync(list);
    await expectCodeOf('LIST_MISSING', start());
    symlinkSync(moved, list);
    await expectCodeOf('LIST_OWNER', start());
    rmSync(list);
  });
});
