import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import type { Keyholder } from '../../src/pkcs11/keyholder-service.ts';
import type { KeyholderList } from '../../src/pkcs11/list.ts';
import type { TokenOpener } from '../../src/pkcs11/openings.ts';
import type { PinStore } from '../../src/pkcs11/pin-memory.ts';
import { TokenClient } from '../../src/pkcs11/token-client.ts';
import {
  compileMisbehavingModule,
  type MisbehavingModule,
  type MisbehavingModules,
} from '../misbehaving-module/misbehaving-module.ts';
import { createRig, type Rig } from './keyholder-rig.ts';

// `press` is in the list first and opened both services so far; `spare` came from the drawer. Each has a module of its own.

export const LIMIT = 300_000;
export const SPARE = 'pkcs11:token=spare';

export let rig: Rig;
let modules: MisbehavingModules;
export let press: MisbehavingModule;
export let spare: MisbehavingModule;
export let pressName: string;
/** Envelopes before the spare was a recipient. */
export const lone = new Map<string, Buffer>();
export const both = new Map<string, Buffer>();
let milliseconds: number;
/** The keyholders'; nothing else follows it. */
export const clock = {
  get seconds(): number {
    return Math.floor(milliseconds / 1000);
  },
  reset(): void {
    milliseconds = Date.now();
  },
};
export const open: Keyholder[] = [];

/** Two tokens for the tests of one file. */
export function useTwoTokens(): void {
  beforeAll(async () => {
    rig = await createRig();
    modules = compileMisbehavingModule();
    pressName = `pkcs11:token=${rig.hsm.label}`;
    const uri = await rig.hsm.addToken('spare');
    await rig.hsm.makeKey({ uri });
    for (const [alias, kpHsId] of [
      ['alpha', rig.alpha],
      ['beta', rig.beta],
    ] as const) {
      const envelope = readFileSync(join(rig.folder, `${alias}.age`));
      const request = { envelope, kpHsId, tokens: [rig.hsm.access()], added: [rig.hsm.access(uri)] };
      const more = await rig.opener().reseal({ ...request, ageRecipients: [], remove: [] });
      lone.set(alias, envelope);
      both.set(alias, Buffer.from(more.envelope));
    }
  }, LIMIT);
  afterAll(async () => {
    modules.dispose();
    await rig.dispose();
  });
  beforeEach(() => {
    clock.reset();
    rig.reset();
    [press, spare] = [modules.create(rig.hsm.modulePath), modules.create(rig.hsm.modulePath)];
    for (const alias of ['alpha', 'beta']) putEnvelope(alias, both);
  });
  afterEach(() => {
    for (const keyholder of open.splice(0)) keyholder.close();
  });
}

export function putEnvelope(alias: string, from: ReadonlyMap<string, Buffer>): void {
  writeFileSync(join(rig.folder, `${alias}.age`), from.get(alias) ?? '', { mode: 0o600 });
}

/** A list with both tokens. Each may have a PIN source of its own. */
export function writeBoth({
  pins = {},
  ...changes
}: Partial<KeyholderList> & { pins?: { press?: string; spare?: string } } = {}) {
  const query = (pin: string | undefined): string => (pin === undefined ? '' : `?pin-source=file:${pin}`);
  rig.writeList({
    tokens: [
      { uri: `${pressName}${query(pins.press)}`, modulePath: press.modulePath },
      { uri: `${SPARE}${query(pins.spare)}`, modulePath: spare.modulePath },
    ],
    ...changes,
  });
}

export const pressHangs = { now: false };
/** The first token has a short deadline, so that it may hang; its process that cannot start in it counts as hanging too. */
export function opener(pins: PinStore): TokenOpener {
  const of = (deadlineMs: number) => new TokenClient({ env: rig.hsm.env, deadlineMs, pins });
  const [short, long] = [of(4_000), of(120_000)];
  const isHanging = (access: { modulePath: string }): boolean =>
    access.modulePath === press.modulePath && pressHangs.now;
  return {
    open: request => (isHanging(request.access) ? short : long).open(request),
    find: access => (isHanging(access) ? short : long).find(access),
  };
}
/** `change` may do something around what the real opener does. */
export function keyholder(change: (real: TokenOpener) => TokenOpener = real => real): Keyholder {
  const made = rig.keyholder({
    clock: () => milliseconds,
    openerFor: (_, pins) => change(opener(pins)),
  });
  open.push(made);
  return made;
}
/** The services' codes, each once. */
export const codesAfter = async (holder: Keyholder, laterSeconds = 0): Promise<string> => {
  milliseconds += laterSeconds * 1000;
  return [...new Set((await holder.prepare()).map(({ errorCode }) => errorCode))].join(' ');
};
export const openedBy = (holder: Keyholder) => holder.status().services.map(({ opened }) => opened.by);
export const tokensOf = (holder: Keyholder) => holder.status().tokens;
/** Has more periods wanted, so that the token is needed again. */
export function wantMore(
  holder: Keyholder,
  days: number,
  changes: Parameters<typeof writeBoth>[0] = {},
): void {
  writeBoth({ ...changes, aheadSeconds: days * 86_400 });
  holder.reload();
}
