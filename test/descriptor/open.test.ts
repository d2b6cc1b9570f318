import { describe, expect, test } from 'vitest';
import { decodeUtf8 } from '../../src/descriptor/bytes.ts';
import {
  AUTH_CLIENT_MULTIPLE,
  TOR_NETWORK,
  assembleDescriptor,
  finishDescriptor,
  openCookie,
  openWithBlindedKey,
  openWithSubcredential,
  parseKpHsBlindId,
  publishablePeriods,
  timePeriod,
} from '../../src/descriptor/index.ts';
import { expectOpened, openForgery, openTwice } from './both-verdicts.ts';
import { expectRefusal } from './expect-refusal.ts';
import { PERIOD, ed25519Pair, forge, identity, noise } from './forge.ts';

describe('a descriptor as stock tor makes it', () => {
  test('opens with both implementations to what was put in', () => {
    const { inner, parts, period } = forge();
    const opened = expectOpened(openForgery());
    expect(opened.period).toEqual(period);
    expect(opened.inner).toMatchObject(inner);
    expect(opened.outer.revisionCounter).toBe(parts.revisionCounter);
    expect(opened.middle.authClients).toHaveLength(AUTH_CLIENT_MULTIPLE);
  });

  test('is what the assembly makes of the same parts', () => {
    for (const forgery of [{}, { clients: [noise('client', 32)] }]) {
      const { text, parts, descSign } = forge(forgery);
      const signable = assembleDescriptor(parts);
      const finished = finishDescriptor(signable, descSign.sign(signable.signedMessage));
      expect(decodeUtf8(finished)).toBe(decodeUtf8(text));
    }
  });

  test('opens for each authorized client and for nobody else', () => {
    const clients = [noise('client 1', 32), noise('client 2', 32)];
    const { text, kpHsId, parts } = forge({ clients });
    const options = { kpHsId, periods: [PERIOD] };
    const closed = expectOpened(openTwice(text, options));
    expect(closed.inner).toBeUndefined();
    for (const client of clients) {
      const descriptorCookie = openCookie(client, closed.middle, closed.subcredential);
      expect(descriptorCookie).toEqual(parts.descriptorCookie);
      expect(expectOpened(openTwice(text, { ...options, descriptorCookie })).inner).toMatchObject(
        parts.inner,
      );
    }
    expect(openCookie(noise('stranger', 32), closed.middle, closed.subcredential)).toBeUndefined();
    expect(openTwice(text, { ...options, descriptorCookie: noise('wrong', 16) })).toBe('BAD_MAC');
  });

  test('opens without its address, to the outer document or with the subcredential to all', () => {
    const { text, parts, descSign } = forge();
    const { kpHsBlindId, subcredential, inner } = parts;
    expect(openWithBlindedKey(text)).toMatchObject({ kpHsBlindId, kpHsDescSign: descSign.publicKey });
    expect(openWithBlindedKey(text, { kpHsBlindId }).kpHsBlindId).toEqual(kpHsBlindId);
    expect(openWithSubcredential(text, { kpHsBlindId, subcredential }).inner).toMatchObject(inner);
    const stranger = parseKpHsBlindId(ed25519Pair('stranger').publicKey);
    expectRefusal('WRONG_KEY', () => openWithBlindedKey(text, { kpHsBlindId: stranger }));
  });

  test('opens whichever of the periods comes first, and in no other', () => {
    const { text, kpHsId } = forge();
    const [before, after] = [timePeriod(TOR_NETWORK, 20_699), timePeriod(TOR_NETWORK, 20_701)];
    for (const periods of [[before, PERIOD], [PERIOD, before], [PERIOD]]) {
      expect(expectOpened(openTwice(text, { kpHsId, periods })).period).toEqual(PERIOD);
    }
    expect(openTwice(text, { kpHsId, periods: [before, after] })).toBe('WRONG_PERIOD');
    expect(openTwice(text, { kpHsId, periods: [] })).toBe('WRONG_PERIOD');
    expect(openTwice(text, { kpHsId: identity('other').kpHsId, periods: [PERIOD] })).toBe('WRONG_PERIOD');
  });

  test('opens up to the second in which its first certificate expires', () => {
    const { text, kpHsId, at } = forge({ innerExpiryHours: 500_000, expiryHours: 500_001 });
    const options = { kpHsId, periods: publishablePeriods(TOR_NETWORK, at) };
    expectOpened(openTwice(text, { ...options, nowSeconds: 500_000 * 3600 }));
    expect(openTwice(text, { ...options, nowSeconds: 500_000 * 3600 + 1 })).toBe('CERT_EXPIRED');
    expectOpened(openTwice(text, options));
  });

  test('opens up to the second in which the certificate of its signing key expires', () => {
    const { text, kpHsId, at } = forge({ innerExpiryHours: 500_001, expiryHours: 500_000 });
    const options = { kpHsId, periods: publishablePeriods(TOR_NETWORK, at) };
    expectOpened(openTwice(text, { ...options, nowSeconds: 500_000 * 3600 }));
    expect(openTwice(text, { ...options, nowSeconds: 500_000 * 3600 + 1 })).toBe('CERT_EXPIRED');
  });
});
