import { describe, expect, test } from 'vitest';
import {
  type Bytes,
  type KpHscDescEnc,
  TOR_NETWORK,
  deriveKpHsBlindId,
  deriveSubcredential,
  openCookie,
  parseKpHscDescEnc,
  timePeriod,
  x25519PublicKey,
} from '../../src/descriptor/index.ts';
import { ClientAccess, type ClientSet, type Derive } from '../../src/pkcs11/client-access.ts';
import { identity, noise } from '../descriptor/forge.ts';
import { expectCode } from './expect-code.ts';

const { kpHsId } = identity('restricted');
const subcredential = deriveSubcredential(kpHsId, deriveKpHsBlindId(kpHsId, timePeriod(TOR_NETWORK, 20_700)));
const client = noise('client', 32);
const key = parseKpHscDescEnc(x25519PublicKey(client));
/** u = 0: every shared secret with it is zero. No reader of ours lets it in. */
const zero = new Uint8Array(32) as Bytes as KpHscDescEnc;
const SECRETS = ['clients cookie', 'clients ephemeral-key', 'clients order'];

/** Derives as a period does, and keeps the windows of secrets, to look at them later. */
function watched(): { derive: Derive; windows: (purpose: string) => Uint8Array[] } {
  const seen: { purpose: string; out: Uint8Array }[] = [];
  return {
    derive: (out, purpose, context) => {
      out.set(noise(`${purpose} ${Buffer.from(context).toString('hex')}`, out.length));
      seen.push({ purpose, out });
    },
    windows: purpose => seen.filter(each => each.purpose === purpose).map(({ out }) => out),
  };
}

const make = (clients: readonly KpHscDescEnc[], { derive }: ReturnType<typeof watched>): ClientAccess =>
  new ClientAccess({ clients, clientsSerial: 1 }, subcredential, derive);
const isZero = (bytes: Uint8Array): boolean => bytes.every(byte => byte === 0);

describe('what one set of clients makes of a period', () => {
  test('leaves the cookie alone in locked memory, and after the wipe nothing', () => {
    const watch = watched();
    const access = make([key], watch);
    const cookie = access.useCookie(bytes => bytes && Uint8Array.from(bytes));
    expect(cookie).toEqual(openCookie(client, access, subcredential));
    const held = SECRETS.flatMap(watch.windows).filter(window => !isZero(window));
    expect(held).toEqual(watch.windows('clients cookie'));
    access.wipe();
    expect(SECRETS.flatMap(watch.windows).every(isZero)).toBe(true);
    expectCode('SECRET_WIPED', () => access.useCookie(() => undefined));
    access.wipe();
  });

  test('is not made for a key whose shared secret is zero, and then leaves nothing either', () => {
    const watch = watched();
    expectCode('CRYPTO', () => make([key, zero], watch));
    expect(watch.windows('clients cookie')).toHaveLength(1);
    expect(SECRETS.flatMap(watch.windows).every(isZero)).toBe(true);
    make([key], watched()).wipe();
  });

  test('knows its own set by keys and serial', () => {
    const access = make([key], watched());
    const other = parseKpHscDescEnc(x25519PublicKey(noise('other', 32)));
    const isOf = (set: ClientSet): boolean => access.isOf(set);
    expect(isOf({ clients: [key], clientsSerial: 1 })).toBe(true);
    expect(isOf({ clients: [key], clientsSerial: 2 })).toBe(false);
    expect(isOf({ clients: [other], clientsSerial: 1 })).toBe(false);
    expect(isOf({ clients: [], clientsSerial: 1 })).toBe(false);
    access.wipe();
  });
});
