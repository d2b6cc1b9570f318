import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { testNetwork, timePeriodAt } from '../../src/descriptor/index.ts';
import { CustodyError } from '../../src/pkcs11/error.ts';
import { FrameChannel } from '../../src/pkcs11/frames.ts';
import type { TokenClientOptions } from '../../src/pkcs11/token-client.ts';
import {
  encodeOpenRequest,
  MAX_TOKEN_FRAME_BYTES,
  type OpeningResult,
  type OpenRequest,
  parseFailure,
  parseOpenAnswer,
  TOKEN_FRAME,
} from '../../src/pkcs11/token-messages.ts';
import {
  compileMisbehavingModule,
  type MisbehavingModule,
} from '../misbehaving-module/misbehaving-module.ts';
import { createTokenRig, kpHsDescSign, now, type TokenRig } from './token-rig.ts';

/** `opened`, or the code of what kept the service shut. */
export type Outcome = string;

export interface MisbehaviourRig {
  readonly token: TokenRig;
  /** A module of its own in front of the rig's token. */
  module(): MisbehavingModule;
  /** Openings (one) through the module by a token process, as the keyholder asks for it; the outcome of the last one. */
  open(module: MisbehavingModule, options?: TokenClientOptions, openings?: number): Promise<Outcome>;
  /** The same, one after the other, in one process. */
  openInOne(module: MisbehavingModule): Promise<Outcome>;
  dispose(): Promise<void>;
}

export async function createMisbehaviourRig(): Promise<MisbehaviourRig> {
  const token = await createTokenRig();
  const modules = compileMisbehavingModule();
  const child = startServer(token.hsm.env);
  const channel = new FrameChannel(child.stdio[3] as Duplex, MAX_TOKEN_FRAME_BYTES);
  // Its ladders are short, so that the time goes into the calls.
  const profile = testNetwork('short', 20);
  const requestOf = ({ modulePath }: MisbehavingModule, openings = 1): OpenRequest =>
    token.openRequest({
      profile,
      access: {
        modulePath,
        uri: `pkcs11:token=${token.hsm.label}`,
        pinSource: token.hsm.pinSource,
      },
      openings: Array.from({ length: openings }, () => ({
        kpHsId: token.sealed.kpHsId,
        envelope: token.sealed.envelope,
        periods: [{ periodNum: timePeriodAt(profile, now()).periodNum, kpHsDescSign }],
      })),
    });
  return {
    token,
    module: () => modules.create(token.hsm.modulePath),
    open: (module, options = {}, openings = 1) =>
      outcomeOf(async () =>
        token.client({ deadlineMs: 120_000, ...options }).open(requestOf(module, openings)),
      ),
    openInOne: module =>
      outcomeOf(async () => {
        await channel.send(TOKEN_FRAME.open, 0, encodeOpenRequest(requestOf(module)));
        const answer = await channel.receive();
        if (answer === undefined) throw new CustodyError('TOKEN_DEAD');
        if (answer.type === TOKEN_FRAME.failure) throw parseFailure(answer.payload);
        return parseOpenAnswer(answer.payload);
      }),
    dispose: async () => {
      channel.close();
      modules.dispose();
      await token.dispose();
    },
  };
}

function startServer(env: Readonly<Record<string, string>>): ChildProcess {
  const program = fileURLToPath(new URL('./programs/serve-many.ts', import.meta.url));
  const stdio = ['ignore', 'inherit', 'inherit', 'pipe'] as const;
  return spawn(process.execPath, ['--no-warnings', program], {
    env: { ...process.env, ...env },
    stdio: [...stdio],
  });
}

async function outcomeOf(open: () => Promise<OpeningResult[]>): Promise<Outcome> {
  try {
    const result = (await open()).at(-1);
    return result === undefined || 'error' in result ? (result?.error.code ?? 'nothing') : 'opened';
  } catch (thrown) {
    if (thrown instanceof CustodyError) return thrown.code;
    throw thrown;
  }
}

/** Runs the tasks, at most `limit` at once. */
export async function runAll(tasks: readonly (() => Promise<void>)[], limit: number): Promise<void> {
  const waiting = [...tasks];
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await next();
  };
  await Promise.all(Array.from({ length: limit }, worker));
}

/** Of all processes that live. */
export function processGroups(): number[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/u.test(name))
    .flatMap(pid => {
      try {
        const [, state, group] =
          /^\d+ \(.*\) (\S) \d+ (\d+)/su.exec(readFileSync(`/proc/${pid}/stat`, 'latin1')) ?? [];
        return state === 'Z' ? [] : [Number(group)];
      } catch {
        return [];
      }
    });
}
