import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { FrameChannel, encodeFrame } from '../../src/pkcs11/frames.ts';
import { KeyholderClient, connectKeyholder } from '../../src/pkcs11/keyholder-client.ts';
import {
  KEYHOLDER_FRAME,
  encodeProve,
  encodeSign,
  parseFailed,
} from '../../src/pkcs11/keyholder-messages.ts';
import { compileMisbehavingModule } from '../misbehaving-module/misbehaving-module.ts';
import { expectCodeOf } from './expect-code.ts';
import { now, pointsOf, targetsAt } from './keyholder-rig.ts';
import { listen, rig, useRig } from './keyholder-processes.ts';

useRig();

describe('a keyholder behind a socket', () => {
  test('serves one core after the other', async () => {
    const { socket } = await listen();
    const first = await connectKeyholder(socket);
    expect(await first.status()).toMatchObject({ isolation: 'own process', uid: process.geteuid?.() });
    const second = await connectKeyholder(socket);
    let answered = false;
    const waiting = second.status().finally(() => {
      answered = true;
    });
    await first.status();
    expect(answered).toBe(false);
    await first.close();
    await waiting;
    await second.close();
  });

  test('serves a core that starts again while a token hangs for the one before, and logs in no second time', async () => {
    const modules = compileMisbehavingModule();
    try {
      const module = modules.create(rig.hsm.modulePath);
      module.command('C_Login hang');
      const { modulePath } = module;
      rig.writeList({ tokens: [{ uri: `pkcs11:token=${rig.hsm.label}`, modulePath }], deadlineMs: 60_000 });
      const { socket } = await listen();
      const first = await connectKeyholder(socket);
      const lost = expectCodeOf('KEYHOLDER_DEAD', first.prepare());
      await expect.poll(() => module.count('C_Login'), { timeout: 60_000 }).toBe(1);
      await first.close();
      await lost;
      const second = await connectKeyholder(socket);
      const shared = expectCodeOf('KEYHOLDER_DEAD', second.prepare());
      expect(await second.status()).toMatchObject({ isolation: 'own process' });
      expect(module.count('C_Login')).toBe(1);
      await second.close();
      await shared;
    } finally {
      modules.dispose();
    }
  });

  test('survives streams that are none of its kind', async () => {
    const { socket } = await listen();
    const prove = encodeFrame({
      type: KEYHOLDER_FRAME.prove,
      sequence: 1,
      payload: encodeProve(rig.alpha, new Uint8Array(100)),
    });
    const hostile = [
      Buffer.from('GET / HTTP/1.1\r\n\r\n'),
      Buffer.alloc(64, 0xff),
      Buffer.from([0, 0, 0, 1, 5]),
      Buffer.from([0, 0x20, 0, 0, 1]),
      prove.subarray(0, 20),
      new Uint8Array(0),
    ];
    for (const bytes of hostile) {
      const stream = connect(socket);
      const closed = once(stream, 'close');
      stream.on('error', () => undefined).resume();
      stream.end(bytes);
      await closed;
    }
    const client = await connectKeyholder(socket);
    expect((await client.status()).services).toHaveLength(2);
    await client.close();
  });

  test('refuses requests that cannot be read, one by one, and goes on', async () => {
    const { socket } = await listen();
    const stream = connect(socket);
    const channel = new FrameChannel(stream);
    const sign = encodeSign({
      kpHsId: rig.alpha,
      listSerial: rig.listSerial,
      points: pointsOf('ab'.repeat(32), 0),
      targets: targetsAt(now()),
    });
    const flagged = Buffer.from(sign);
    flagged[32] = 1; // a serial beyond all that can be counted
    const requests: [number, Uint8Array][] = [
      [0x77, new Uint8Array(0)],
      [KEYHOLDER_FRAME.status, new Uint8Array(1)],
      [KEYHOLDER_FRAME.prove, new Uint8Array(31)],
      [KEYHOLDER_FRAME.prove, encodeProve(rig.alpha, new Uint8Array(50_001))],
      [KEYHOLDER_FRAME.sign, sign.subarray(0, -1)],
      [KEYHOLDER_FRAME.sign, Buffer.concat([sign, Buffer.alloc(1)])],
      [KEYHOLDER_FRAME.sign, flagged],
      [KEYHOLDER_FRAME.sign, new Uint8Array(40)],
      [KEYHOLDER_FRAME.checkpoint, new Uint8Array(39)],
    ];
    for (const [sequence, [type, payload]] of requests.entries()) {
      await channel.send(type, sequence + 1, payload);
      const answer = await channel.receive();
      expect([answer?.type, answer?.sequence]).toEqual([KEYHOLDER_FRAME.failed, sequence + 1]);
      expect(parseFailed(answer?.payload ?? new Uint8Array())).toBe('FRAME_BAD');
    }
    await channel.send(KEYHOLDER_FRAME.sign, 99, sign);
    expect(await channel.receive()).toMatchObject({ type: KEYHOLDER_FRAME.refused, sequence: 99 });
    channel.close();
  });

  test('is replaced after a kill: lock and socket that stay behind do not matter', async () => {
    const first = await listen();
    first.child.kill('SIGKILL');
    await once(first.child, 'exit');
    expect(existsSync(first.socket)).toBe(true);
    const { socket } = await listen();
    const client = await connectKeyholder(socket);
    expect((await client.status()).services).toHaveLength(2);
    await client.close();
  });

  test('cannot be reached where none listens', async () => {
    await expectCodeOf('KEYHOLDER_DEAD', connectKeyholder(join(rig.folder, 'nobody')));
  });
});

describe('a client', () => {
  test('gives up at its deadline and drops the late answer', async () => {
    const { socket } = await listen();
    const first = await connectKeyholder(socket);
    // Whoever waits in line gets no answer.
    const second = await connectKeyholder(socket, { deadlineMs: 50 });
    await expectCodeOf('KEYHOLDER_TIMEOUT', second.status());
    await first.close();
    await expect.poll(async () => second.status().then(({ uid }) => uid)).toBe(process.geteuid?.());
    await second.close();
  });

  test('does not take an answer of another kind', async () => {
    const server = await import('node:net').then(({ createServer }) => createServer());
    const path = join(rig.folder, 'impostor');
    server.on('connection', stream => {
      stream.on('error', () => undefined);
      stream.write(encodeFrame({ type: 0x81, sequence: 1, payload: new Uint8Array(65) }));
    });
    await new Promise<void>(done => server.listen(path, done));
    const client = await connectKeyholder(path);
    expect(client).toBeInstanceOf(KeyholderClient);
    await expectCodeOf('FRAME_BAD', client.status());
    await client.close();
    server.close();
  });
});
