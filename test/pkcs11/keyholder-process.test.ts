import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { TOR_NETWORK, openDescriptor, timePeriod } from '../../src/descriptor/index.ts';
import { spawnKeyholder } from '../../src/pkcs11/keyholder-client.ts';
import { expectCodeOf } from './expect-code.ts';
import { backendDescriptor, pointsOf, targetsAt } from './keyholder-rig.ts';
import { ENTRY, childrenOf, nextSecond, rig, start, useRig } from './keyholder-processes.ts';

useRig();

describe('a keyholder as a child of the core', () => {
  test('goes from evidence to a descriptor, and keeps keys and spent seconds over a restart', async () => {
    const first = await start();
    expect(await first.prepare()).toMatchObject([{ errorCode: '' }, { errorCode: '' }]);
    const proven = await first.prove(rig.alpha, backendDescriptor('a1'));
    if ('refused' in proven) throw new Error('refused');
    const at = await nextSecond();
    const order = {
      kpHsId: rig.alpha,
      listSerial: rig.listSerial,
      points: pointsOf(proven.digest, 0, 2),
      targets: targetsAt(at + 600),
    };
    const result = await first.sign(order);
    if ('refused' in result) throw new Error(result.refused.rule);
    for (const { periodNum, text, revisionCounter, second } of result.signed) {
      const periods = [timePeriod(TOR_NETWORK, periodNum)];
      const opened = openDescriptor(text, { kpHsId: rig.alpha, periods, nowSeconds: second });
      expect(opened.outer.revisionCounter).toBe(revisionCounter);
      expect(opened.inner?.introductionPoints).toHaveLength(2);
    }
    const status = await first.status();
    expect(status).toMatchObject({
      isolation: 'same user',
      stateProtection: 'file of mode 0400',
      network: 'tor',
    });
    await first.close();

    const second = await start();
    expect((await second.status()).services.map(each => each.periods)).toEqual(
      status.services.map(each => each.periods),
    );
    await second.prove(rig.alpha, backendDescriptor('a1'));
    expect(await second.sign({ ...order, targets: targetsAt(at + 600) })).toMatchObject({
      refused: { rule: 'INTRO-PROVENANCE' },
    });
    const again = await second.prove(rig.alpha, backendDescriptor('a1', { at: at - 700 }));
    if ('refused' in again) throw new Error('refused');
    const points = pointsOf(again.digest, 0);
    expect(await second.sign({ ...order, points })).toMatchObject({ refused: { rule: 'ONE-PER-SECOND' } });
    expect(await second.sign({ ...order, points, targets: targetsAt(at + 601) })).toHaveProperty('signed');
  });

  test('recovers from a token process that is killed in the middle of an opening', async () => {
    const client = await start({}, pid => {
      // The only child that the keyholder ever has.
      const timer = setInterval(() => {
        for (const child of childrenOf(pid)) {
          process.kill(child, 'SIGKILL');
          clearInterval(timer);
        }
      }, 5);
    });
    expect(await client.prepare()).toMatchObject([{ errorCode: 'TOKEN_DEAD' }, { errorCode: 'TOKEN_DEAD' }]);
    expect((await client.status()).services[0]).toMatchObject({ lastError: 'TOKEN_DEAD', periods: [] });
    await client.close();
    // A restart clears the pause, as a new day would.
    const again = await start();
    expect(await again.prepare()).toMatchObject([{ errorCode: '' }, { errorCode: '' }]);
  });

  test('answers while it waits for a token', async () => {
    const client = await start();
    let prepared = false;
    const waiting = client.prepare().finally(() => {
      prepared = true;
    });
    await client.status();
    expect(prepared).toBe(false);
    await waiting;
  });

  test('passes refusals as values and failures as errors', async () => {
    const client = await start();
    expect(await client.prove(rig.alpha, backendDescriptor('stranger'))).toMatchObject({
      refused: { rule: 'INTRO-PROVENANCE' },
    });
    expect(await client.prove(rig.alpha, backendDescriptor('a1'))).toMatchObject({ points: 3 });
    const head = { size: 2n, rootHash: new Uint8Array(32), proof: [] };
    expect(await client.checkpoint(head)).toHaveProperty('note');
    // A core in other hands has a second history of the same size, a shorter one, and one that does not follow.
    for (const other of [
      { ...head, rootHash: new Uint8Array(32).fill(1) },
      { ...head, size: 1n },
      { ...head, size: 3n, proof: [new Uint8Array(32)] },
    ]) {
      expect(await client.checkpoint(other)).toMatchObject({ refused: { rule: 'CHECKPOINT-FORK' } });
    }
    expect(await client.checkpoint(head)).toHaveProperty('note');
    await client.close();
    await expectCodeOf('KEYHOLDER_DEAD', client.status());
  });

  test('may take its time to begin, however short its deadline for requests is', async () => {
    const client = await spawnKeyholder(rig.paths, { env: rig.hsm.env, deadlineMs: 1 });
    await client.close();
  });

  test('ends with its core, and a waiting request with it', async () => {
    let pid = 0;
    const client = await start({}, started => {
      pid = started;
    });
    const asked = client.prepare();
    process.kill(pid, 'SIGKILL');
    await expectCodeOf('KEYHOLDER_DEAD', asked);
    await client.closed;
    expect(childrenOf(process.pid)).not.toContain(pid);
  });

  test('loads no vendor module and only the packages that belong beside keys', async () => {
    let pid = 0;
    const client = await start({}, started => {
      pid = started;
    });
    await client.prepare();
    const maps = readFileSync(`/proc/${pid}/maps`, 'latin1');
    expect(maps).toContain('sodium-native');
    expect(maps).not.toMatch(/pkcs11|softhsm/u);
    const packages = packagesOf(ENTRY);
    expect([...packages].sort()).toEqual([
      '@noble/ciphers',
      '@noble/curves',
      '@noble/ed25519',
      '@noble/hashes',
      'sodium-native',
    ]);
    const core = packagesOf(fileURLToPath(new URL('../../src/pkcs11/keyholder-client.ts', import.meta.url)));
    expect(core).not.toContain('sodium-native');
  });

  test('writes no core file, and neither does its token process', async () => {
    let pid = 0;
    const limits: string[] = [];
    const coreOf = (process: number) =>
      /^Max core file size.*$/mu.exec(readFileSync(`/proc/${process}/limits`, 'latin1'))?.[0];
    const client = await start({}, started => {
      pid = started;
    });
    const timer = setInterval(() => {
      for (const child of childrenOf(pid)) {
        try {
          if (readFileSync(`/proc/${child}/cmdline`, 'latin1').includes('token-process'))
            limits.push(coreOf(child) ?? '');
        } catch {
          // It has ended.
        }
      }
    }, 5);
    await client.prepare();
    clearInterval(timer);
    expect(limits.length).toBeGreaterThan(0);
    // The pid is that of the keyholder itself, not of a program before it.
    expect(readFileSync(`/proc/${pid}/cmdline`, 'latin1')).toContain('keyholder.js\0--state');
    for (const limit of [coreOf(pid), limits.at(-1)]) expect(limit).toMatch(/size +0 +0 /u);
  });

  test('does not start among foreign code', async () => {
    const { state, list, hostKey } = rig.paths;
    const args = [ENTRY, '--state', state, '--list', list, '--host-key', hostKey];
    const run = (flags: string[], env: Record<string, string> = {}) => {
      try {
        execFileSync(process.execPath, [...flags, ...args, '--socket', join(rig.folder, 'x'), '--bad'], {
          env,
          stdio: 'pipe',
        });
      } catch (thrown) {
        return String((thrown as { stderr: Buffer }).stderr);
      }
      return '';
    };
    expect(run(['--inspect=127.0.0.1:0'])).toContain('PROCESS_EXPOSED');
    expect(run(['--import', 'data:text/javascript,'])).toContain('PROCESS_EXPOSED');
    expect(run([], { NODE_OPTIONS: '--report-on-signal' })).toContain('PROCESS_EXPOSED');
    // The control gets as far as its arguments.
    expect(run(['--disable-sigusr1'])).toContain('KEYHOLDER_ARGUMENTS');
  });
});

/** Every package that a module and its imports of ours load, types left out. */
function packagesOf(entry: string, seen = new Set<string>()): Set<string> {
  const packages = new Set<string>();
  if (seen.has(entry)) return packages;
  seen.add(entry);
  const source = readFileSync(entry, 'utf8').replaceAll(/^(?:import|export) type [^;]*;/gmu, '');
  for (const [, name = ''] of source.matchAll(
    /^(?:import|export)\b[^;]*?from '([^']+)'|^import '([^']+)'/gmu,
  )) {
    if (name.startsWith('.'))
      for (const each of packagesOf(resolve(dirname(entry), name), seen)) packages.add(each);
    else if (!name.startsWith('node:'))
      packages.add(
        name
          .split('/')
          .slice(0, name.startsWith('@') ? 2 : 1)
          .join('/'),
      );
  }
  return packages;
}
