import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { prepareToken } from '../../src/pkcs11/administration-client.ts';
import type { RsaBits } from '../../src/pkcs11/administration-messages.ts';
import type { TokenAccess } from '../../src/pkcs11/token-messages.ts';

const run = promisify(execFile);

const MODULE_PATHS = [
  // Where set-up unpacked it for a user who is not root.
  ...[process.env['SOFTHSM2_MODULE'] ?? []].flat(),
  '/usr/lib/softhsm/libsofthsm2.so',
  '/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so',
  '/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so',
  '/usr/lib64/pkcs11/libsofthsm2.so',
];

/** A throw-away token: one SoftHSM store in a temporary folder, user PIN random and in a file of mode 0600. */
export interface SoftHsm {
  /** `pkcs11:token=…;serial=…?module-path=…`, without a key and without a PIN source. */
  readonly uri: string;
  readonly modulePath: string;
  /** `file:/…` of the PIN. */
  readonly pinSource: string;
  readonly pinFile: string;
  /** To be passed to the token process, and to commands, which keep their book of PINs there. */
  readonly env: { readonly SOFTHSM2_CONF: string; readonly XDG_STATE_HOME: string };
  readonly label: string;
  readonly folder: string;
  /** Another token in the same store, same PIN; gives its URI. */
  addToken(label: string): Promise<string>;
  /** Makes an RSA key on the (or the given) token and gives the key's URI. */
  makeKey(options?: { bits?: RsaBits; uri?: string; label?: string }): Promise<string>;
  /**
   * The environment of another store with the tokens of this one as they are now, for what runs beside others. SoftHSM 2.6.1
   * rewrites a token's file at each login and gives up the lock before the text is in it: whoever reads meanwhile finds it empty,
   * and is told CKR_GENERAL_ERROR, CKR_USER_PIN_NOT_INITIALIZED, or of no token at all.
   */
  copy(): Promise<SoftHsm['env']>;
  /** How to reach a token of this store with its PIN; by default the first one. */
  access(uri?: string): TokenAccess;
  dispose(): Promise<void>;
}

/** Makes a token with the given label (default random). No key is on it: see `prepareToken`. */
export async function createSoftHsm(label = `test-${randomBytes(4).toString('hex')}`): Promise<SoftHsm> {
  const modulePath = MODULE_PATHS.find(path => existsSync(path));
  if (modulePath === undefined) throw new Error('SoftHSM is not installed (package softhsm2)');
  const folder = await mkdtemp(join(tmpdir(), 'onion-signer-softhsm-'));
  await chmod(folder, 0o700);
  const tokens = join(folder, 'tokens');
  await mkdir(tokens, { mode: 0o700 });
  const env = await configure(folder);
  const pin = randomBytes(16).toString('hex');
  const pinFile = join(folder, 'pin');
  await writeFile(pinFile, `${pin}\n`, { mode: 0o600 });

  const addToken = async (name: string): Promise<string> => {
    const soPin = randomBytes(16).toString('hex');
    const args = ['--init-token', '--free', '--label', name, '--so-pin', soPin, '--pin', pin];
    await run('softhsm2-util', args, { env: { ...process.env, ...env } });
    const { stdout } = await run('softhsm2-util', ['--show-slots'], { env: { ...process.env, ...env } });
    return `pkcs11:token=${name};serial=${serialOf(stdout, name)}?module-path=${modulePath}`;
  };

  const uri = await addToken(label);
  const copy = async (): Promise<SoftHsm['env']> => {
    const other = await mkdtemp(join(folder, 'copy-'));
    await cp(tokens, join(other, 'tokens'), { recursive: true });
    return configure(other);
  };
  const access = (wanted = uri): TokenAccess => ({ modulePath, uri: wanted, pinSource: `file:${pinFile}` });
  return {
    uri,
    copy,
    access,
    makeKey: ({ bits = 2048, uri: wanted, label: name = 'seal' } = {}) =>
      prepareToken({ access: access(wanted), key: { kind: 'rsa', bits }, label: name }, { env }),
    modulePath,
    pinSource: `file:${pinFile}`,
    pinFile,
    env,
    label,
    folder,
    addToken,
    dispose: () => rm(folder, { recursive: true, force: true }),
  };
}

/** For the store in `tokens` of the folder. */
async function configure(folder: string): Promise<SoftHsm['env']> {
  const path = join(folder, 'softhsm2.conf');
  const lines = [
    `directories.tokendir = ${join(folder, 'tokens')}`,
    'objectstore.backend = file',
    'log.level = ERROR',
  ];
  await writeFile(path, `${lines.join('\n')}\n`);
  return { SOFTHSM2_CONF: path, XDG_STATE_HOME: join(folder, 'state') };
}

function serialOf(slots: string, label: string): string {
  for (const slot of slots.split(/^Slot \d+$/mu)) {
    const found = /^\s*Label:\s+(.*?)\s*$/mu.exec(slot)?.[1];
    const serial = /^\s*Serial number:\s+(\S+)/mu.exec(slot)?.[1];
    if (found === label && serial !== undefined) return serial;
  }
  throw new Error(`softhsm2-util shows no token ${label}`);
}
