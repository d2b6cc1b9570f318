import { expect, test, vi } from 'vitest';
import { askChild } from '../../src/pkcs11/ask-child.ts';
import { volatilePinStore } from '../../src/pkcs11/pin-memory.ts';
import { SigningChild } from '../../src/pkcs11/signing-child.ts';
import { SIGNING_FRAME } from '../../src/pkcs11/signing-messages.ts';
import { TOKEN_FRAME } from '../../src/pkcs11/token-messages.ts';
import { expectCodeOf } from './expect-code.ts';

/** A process that a driver holds in the kernel does not end by SIGKILL. None can be made at will: here its end is not told. */

const NOTHING = new Uint8Array(0);
const killed = vi.hoisted((): (string | number | null)[] => []);

vi.mock('node:child_process', async original => {
  const real = await original<typeof import('node:child_process')>();
  const spawn = (...[command, args, options]: Parameters<typeof real.spawn>) => {
    const child = real.spawn(command, args, options);
    const emit = child.emit.bind(child);
    return Object.assign(child, {
      emit: (name: string, ...given: unknown[]) => {
        if (name !== 'exit') return emit(name, ...given);
        killed.push(child.signalCode);
        return true;
      },
    });
  };
  return { ...real, spawn };
});

test('whoever asks a token process that cannot be killed gets an answer all the same', async () => {
  const onSpawn = (pid: number): void => void process.kill(pid, 'SIGSTOP');
  const asked = askChild('token-process', TOKEN_FRAME.find, NOTHING, { deadlineMs: 50, onSpawn });
  await expectCodeOf('TOKEN_TIMEOUT', asked);
  // The control: it was killed indeed, and nothing else ended the wait.
  expect(killed.splice(0)).toEqual(['SIGKILL']);
});

test('a signing process that cannot be killed is given up, so that another is started', async () => {
  const child = new SigningChild({ deadlineMs: 50, pins: volatilePinStore() });
  process.kill(child.pid ?? 0, 'SIGSTOP');
  await expectCodeOf('TOKEN_TIMEOUT', child.ask(SIGNING_FRAME.touch, NOTHING));
  expect((await child.ended).code).toBe('TOKEN_TIMEOUT');
  expect(killed.splice(0)).toEqual(['SIGKILL']);
});
