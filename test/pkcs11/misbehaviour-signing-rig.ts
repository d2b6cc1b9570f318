import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { CERT_TYPE, ed25519Verify, encodeCertBody } from '../../src/descriptor/index.ts';
import { CustodyError } from '../../src/pkcs11/error.ts';
import { volatilePinStore } from '../../src/pkcs11/pin-memory.ts';
import { SigningChild } from '../../src/pkcs11/signing-child.ts';
import {
  SIGNING_FRAME,
  encodeEnter,
  encodePointCerts,
  parseRecord,
  parseSignatures,
} from '../../src/pkcs11/signing-messages.ts';
import { TokenClient } from '../../src/pkcs11/token-client.ts';
import {
  compileMisbehavingModule,
  type MisbehavingModule,
} from '../misbehaving-module/misbehaving-module.ts';
import { createSoftHsm } from '../softhsm/create-softhsm.ts';

const NOTHING = new Uint8Array(0);

/** One row: what a module did, in front of a store of its own, and what came of it. */
export interface Row {
  readonly outcome: string;
  /** The module was asked for it at all: the positive control. */
  readonly reached: boolean;
}

export interface SigningMisbehaviour {
  /** `sealed`, or the code of what kept a new identity from being sealed to the AES key of the token. */
  seal(call: string, deed: string, deadlineMs?: number): Promise<Row>;
  /** `made`, `signed`, `signed wrongly`, or the code of what kept the process that signs from it. */
  sign(call: string, deed: string, deadlineMs?: number): Promise<Row>;
  /** Of every process that was started. */
  readonly pids: readonly number[];
  dispose(): Promise<void>;
}

export async function createSigningMisbehaviour(): Promise<SigningMisbehaviour> {
  const hsm = await createSoftHsm();
  const modules = compileMisbehavingModule();
  const program = fileURLToPath(new URL('programs/make-aes-key.ts', import.meta.url));
  const args = ['--no-warnings', program, hsm.modulePath, hsm.label, hsm.pinFile, 'seal', 'kept'];
  await promisify(execFile)(process.execPath, args, { env: { ...process.env, ...hsm.env } });
  const accessOf = ({ modulePath }: MisbehavingModule) => ({
    ...hsm.access(`pkcs11:token=${hsm.label}`),
    modulePath,
  });
  const pids: number[] = [];

  const seal = async (call: string, deed: string, deadlineMs = 300_000): Promise<Row> => {
    const module = modules.create(hsm.modulePath);
    module.command(`${call} ${deed}`);
    const onSpawn = (pid: number) => pids.push(pid);
    const client = new TokenClient({ env: await hsm.copy(), deadlineMs, onSpawn });
    const request = { tokens: [accessOf(module)], ageRecipients: [], source: { kind: 'new' } } as const;
    const outcome = await codeOf(async () => {
      await client.seal(request);
      return 'sealed';
    });
    return { outcome, reached: module.count(call) > 0 };
  };

  const sign = async (call: string, deed: string, deadlineMs = 300_000): Promise<Row> => {
    const module = modules.create(hsm.modulePath);
    const child = new SigningChild({ deadlineMs: 300_000, pins: volatilePinStore(), env: await hsm.copy() });
    pids.push(child.pid ?? 0);
    try {
      const enter = { access: accessOf(module), label: 'ours', known: [] };
      await child.ask(SIGNING_FRAME.enter, encodeEnter(enter));
      const record = await child.ask(SIGNING_FRAME.make, NOTHING);
      module.forgetCalls();
      module.command(`${call} ${deed}`);
      const ask = call === 'C_GenerateKeyPair' ? makeAnother : certify;
      const outcome = await codeOf(() => ask(child, record, deadlineMs));
      return { outcome, reached: module.count(call) > 0 };
    } finally {
      child.kill();
      await child.ended;
    }
  };

  const dispose = async (): Promise<void> => {
    modules.dispose();
    await hsm.dispose();
  };
  return { seal, sign, pids, dispose };
}

async function makeAnother(child: SigningChild, _: Uint8Array, deadlineMs: number): Promise<string> {
  parseRecord(await child.ask(SIGNING_FRAME.make, NOTHING, { deadlineMs }));
  return 'made';
}

async function certify(child: SigningChild, record: Uint8Array, deadlineMs: number): Promise<string> {
  const { id, kpHsDescSign } = parseRecord(record);
  const cert = { certType: CERT_TYPE.authKey, expiryHours: 500_000, certifiedKey: randomBytes(32) };
  const payload = encodePointCerts(id, [cert]);
  const answer = await child.ask(SIGNING_FRAME.pointCerts, payload, { deadlineMs });
  const [signature = NOTHING] = parseSignatures(answer, 1);
  const body = encodeCertBody({ ...cert, signingKey: kpHsDescSign });
  return ed25519Verify(body, signature, kpHsDescSign) ? 'signed' : 'signed wrongly';
}

async function codeOf(act: () => Promise<string>): Promise<string> {
  try {
    return await act();
  } catch (thrown) {
    if (thrown instanceof CustodyError) return thrown.code;
    throw thrown;
  }
}
