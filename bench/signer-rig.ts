// A whole signer with many services on real parts, as its operator would set it up.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  formatOnionAddress,
  publishablePeriods,
  TOR_NETWORK,
  toHex,
  sha256,
} from '../src/descriptor/index.ts';
import { openToken } from '../src/pkcs11/open-token.ts';
import { PinGate } from '../src/pkcs11/pin-gate.ts';
import { PIN_KEY_BYTES } from '../src/pkcs11/pin-tags.ts';
import { unloadModules } from '../src/pkcs11/pkcs11js.ts';
import { sealIdentity } from '../src/pkcs11/seal-identity.ts';
import { forge, identity } from '../test/descriptor/forge.ts';
import { ManagedProcess, runCommand } from '../test/e2e/managed-process.ts';
import { createSoftHsm, type SoftHsm } from '../test/softhsm/create-softhsm.ts';
import { childrenOf, type Memory, memoryOf } from './processes.ts';

/** A service of the signer, and what its two backends have published: ten points each. */
export interface BenchService {
  readonly alias: string;
  readonly evidence: readonly { readonly digest: string; readonly text: string }[];
}

export interface SignerRig {
  readonly services: readonly BenchService[];
  readonly socket: string;
  readonly corePid: number;
  readonly keyholderPid: number;
  /** Of the largest token process that was seen. */
  readonly tokenProcess: Memory | undefined;
  stop(): Promise<void>;
}

/** As unit and launcher start it. */
const NODE = [process.execPath, '--max-semi-space-size=8'];
const PUBLISHER = 'bench';
const BACKENDS = 2;
const POINTS_PER_BACKEND = 10;
const TOKEN_SAMPLE_MS = 10;

/** Makes token, identities, policy; starts the daemon and waits until it has certified all periods. */
export async function startSigner(count: number): Promise<SignerRig> {
  const folder = mkdtempSync(join(tmpdir(), 'onion-signer-bench-'));
  const hsm = await createSoftHsm();
  const dispose = async (): Promise<void> => {
    rmSync(folder, { recursive: true, force: true });
    await hsm.dispose();
  };
  try {
    const config = await initialise(folder, hsm);
    const services = Array.from({ length: count }, (_, i) => `service-${String(i).padStart(3, '0')}`);
    const addresses = await sealIdentities(folder, hsm, services);
    services.forEach((alias, i) => writePolicy(folder, alias, addresses[i] ?? ''));
    await succeed(config, hsm, 'policy', 'apply', '--yes');
    const daemon = new ManagedProcess('onion-signer', ['--config', config, 'serve'], hsm.env, NODE);
    const seen = await untilReady(daemon);
    return {
      services: services.map(alias => ({ alias, evidence: backendNames(alias).map(publishedBy) })),
      socket: join(folder, 'run', `${PUBLISHER}.sock`),
      corePid: daemon.pid,
      ...seen,
      stop: async () => {
        await daemon.stop();
        await dispose();
      },
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}

async function initialise(folder: string, hsm: SoftHsm): Promise<string> {
  const config = join(folder, 'signer.yaml');
  await hsm.makeKey();
  const lines = [
    `tokens: ["${hsm.uri}"]`,
    `pin: ${hsm.pinSource}`,
    `publishers: { ${PUBLISHER}: unix }`,
    `state: ${join(folder, 'state')}`,
    `run: ${join(folder, 'run')}`,
    // One period less to certify for each service; it is not what is measured.
    'ahead: 1d',
    'deadline: 60s',
    '',
  ];
  writeFileSync(config, lines.join('\n'));
  await succeed(config, hsm, 'init');
  return config;
}

/** What `key new` does, for all services with one login: a process for each would take longer than the measurement. */
async function sealIdentities(folder: string, hsm: SoftHsm, services: readonly string[]): Promise<string[]> {
  process.env['SOFTHSM2_CONF'] = hsm.env.SOFTHSM2_CONF;
  const nobody = { begin: async () => undefined, taken: async () => undefined };
  const pins = new PinGate({ key: new Uint8Array(PIN_KEY_BYTES), records: [], isOwn: false }, nobody);
  const token = await openToken(hsm.access(), pins);
  const envelopes = join(folder, 'state', 'identities');
  mkdirSync(envelopes, { recursive: true, mode: 0o700 });
  try {
    return services.map(alias => {
      const { envelope, kpHsId } = sealIdentity({ kind: 'new' }, [token], []);
      writeFileSync(join(envelopes, `${alias}.age`), envelope, { mode: 0o600 });
      return formatOnionAddress(kpHsId);
    });
  } finally {
    unloadModules();
  }
}

function writePolicy(folder: string, alias: string, address: string): void {
  const lines = [
    `service: ${alias}`,
    `address: ${address}`,
    `publishers: [${PUBLISHER}]`,
    'backends:',
    ...backendNames(alias).map((name, i) => `  backend-${i}: ${formatOnionAddress(identity(name).kpHsId)}`),
    `limits: { min_backends: ${BACKENDS}, requests: 3600/h }`,
    '',
  ];
  mkdirSync(join(folder, 'policies'), { recursive: true });
  writeFileSync(join(folder, 'policies', `${alias}.yaml`), lines.join('\n'));
}

const backendNames = (alias: string): string[] => Array.from({ length: BACKENDS }, (_, i) => `${alias} ${i}`);

/** A descriptor that a backend made ten minutes ago. */
function publishedBy(label: string): { digest: string; text: string } {
  const now = Math.floor(Date.now() / 1000);
  const [period] = publishablePeriods(TOR_NETWORK, now);
  const made = { label, at: now - 600, points: POINTS_PER_BACKEND };
  const { text } = forge(period === undefined ? made : { ...made, period });
  return { digest: toHex(sha256(text)), text: Buffer.from(text).toString('latin1') };
}

/** Waits for `ready`; meanwhile looks at the token processes, which live for seconds. */
async function untilReady(
  daemon: ManagedProcess,
): Promise<{ keyholderPid: number; tokenProcess: Memory | undefined }> {
  let keyholderPid = 0;
  let tokenProcess: Memory | undefined;
  const timer = setInterval(() => {
    keyholderPid = childrenOf(daemon.pid, 'keyholder')[0] ?? keyholderPid;
    for (const pid of childrenOf(keyholderPid, 'token-process')) {
      const memory = memoryOf(pid);
      if (memory !== undefined && memory.peak > (tokenProcess?.peak ?? 0)) tokenProcess = memory;
    }
  }, TOKEN_SAMPLE_MS);
  try {
    await daemon.waitFor('readiness', line => line.msg === 'ready');
  } finally {
    clearInterval(timer);
  }
  return { keyholderPid: childrenOf(daemon.pid, 'keyholder')[0] ?? keyholderPid, tokenProcess };
}

async function succeed(config: string, hsm: SoftHsm, ...args: string[]): Promise<void> {
  const { code, stdout, stderr } = await runCommand('onion-signer', ['--config', config, ...args], {
    env: hsm.env,
  });
  if (code !== 0) throw new Error(`onion-signer ${args.join(' ')} ended with ${code}: ${stderr}${stdout}`);
}
