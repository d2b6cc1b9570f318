import { afterEach, describe, expect, test } from 'vitest';
import { volatilePinStore } from '../../src/pkcs11/pin-memory.ts';
import { SigningChild } from '../../src/pkcs11/signing-child.ts';
import { SIGNING_FRAME, encodeId } from '../../src/pkcs11/signing-messages.ts';
import { expectCodeOf } from './expect-code.ts';

const children: SigningChild[] = [];
const start = (): SigningChild => {
  const child = new SigningChild({ deadlineMs: 120_000, pins: volatilePinStore() });
  children.push(child);
  return child;
};
afterEach(async () => {
  for (const child of children.splice(0)) {
    child.kill();
    await child.ended;
  }
});

const isAlive = (pid: number | undefined): boolean => {
  try {
    return pid !== undefined && process.kill(pid, 0);
  } catch {
    return false;
  }
};

describe('the process that signs with keys in a token', () => {
  test('is killed when it does not answer in time, and nobody waits on', async () => {
    const child = start();
    process.kill(child.pid ?? 0, 'SIGSTOP');
    const late = child.ask(SIGNING_FRAME.touch, new Uint8Array(), { deadlineMs: 100 });
    const other = child.ask(SIGNING_FRAME.touch, new Uint8Array());
    expect(child.isIdle).toBe(false);
    await Promise.all([expectCodeOf('TOKEN_TIMEOUT', late), expectCodeOf('TOKEN_TIMEOUT', other)]);
    expect((await child.ended).code).toBe('TOKEN_TIMEOUT');
    expect(isAlive(child.pid)).toBe(false);
    await expectCodeOf('TOKEN_TIMEOUT', child.ask(SIGNING_FRAME.touch, new Uint8Array()));
  });

  test('does nothing before it was told which token, and ends after any failure', async () => {
    for (const type of [SIGNING_FRAME.make, SIGNING_FRAME.destroy, SIGNING_FRAME.touch, 0x7f]) {
      const child = start();
      await expectCodeOf('TOKEN_PROTOCOL', child.ask(type, encodeId(new Uint8Array(16))));
      expect((await child.ended).code).toBe('TOKEN_PROTOCOL');
      expect(isAlive(child.pid)).toBe(false);
    }
  });

  test('refuses a frame that it cannot read', async () => {
    await expectCodeOf('FRAME_BAD', start().ask(SIGNING_FRAME.enter, Buffer.from('nonsense')));
  });
});
