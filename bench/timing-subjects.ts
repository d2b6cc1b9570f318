// What is timed with secrets of two classes: the product's operations on secret scalars, and one that leaks.

import {
  TOR_NETWORK,
  blindingParam,
  clampTweak,
  deriveKpHsBlindId,
  parseKpHsDescSign,
  timePeriod,
} from '../src/descriptor/index.ts';
import { descSigningCertBody, scalarTimesPublic, signWithHalves } from '../src/pkcs11/blinded-sign.ts';
import { Secret, basepointTimes, fillRandom } from '../src/pkcs11/locked-memory.ts';
import { ed25519Pair, identity } from '../test/descriptor/forge.ts';

const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;
const SCALAR_BYTES = 32;

/** One operation on a secret of 64 bytes: a scalar below 2^255, and 32 more. */
export interface Subject {
  readonly name: string;
  /** It must be found out, or the measurement is worth nothing. */
  readonly isControl: boolean;
  /** Called before each run, outside of the measured time. */
  prepare(): void;
  run(secret: Uint8Array): void;
}

const { kpHsId } = identity('dudect');
const period = timePeriod(TOR_NETWORK, 30_000);
const kpHsBlindId = deriveKpHsBlindId(kpHsId, period);
/** One for all: the time follows the bits of this public number, which would be noise. */
const tweak = clampTweak(blindingParam(kpHsId, period));

function product(): Subject {
  const out = new Secret(SCALAR_BYTES);
  return {
    name: 'h·a, the product with a public multiplier',
    isControl: false,
    prepare: () => undefined,
    run: secret => out.use(bytes => scalarTimesPublic(bytes, tweak, secret.subarray(0, SCALAR_BYTES))),
  };
}

function basepointProduct(): Subject {
  const out = new Uint8Array(SCALAR_BYTES);
  return {
    name: 'a·B, the product with the base point',
    isControl: false,
    prepare: () => undefined,
    run: secret => basepointTimes(out, secret.subarray(0, SCALAR_BYTES)),
  };
}

/** A fresh hedge for each: with one for all, a fixed secret would have a fixed public challenge, whose bits take time. */
function signature(): Subject {
  const kpHsDescSign = parseKpHsDescSign(ed25519Pair('dudect descriptor signing').publicKey);
  const body = descSigningCertBody(500_000, kpHsDescSign, kpHsBlindId);
  const hedge = new Uint8Array(32);
  return {
    name: 'the whole blinded signature of a certificate',
    isControl: false,
    prepare: () => fillRandom(hedge),
    run: secret => {
      const halves = {
        scalar: secret.subarray(0, SCALAR_BYTES),
        prfHalf: secret.subarray(SCALAR_BYTES),
      };
      signWithHalves(halves, kpHsBlindId, body, hedge);
    },
  };
}

/** h·a as one writes it without a thought: V8's numbers are as long as their values. */
function leakyProduct(): Subject {
  const multiplier = numberOf(tweak);
  let sum = 0n;
  return {
    name: 'control: h·a with BigInt',
    isControl: true,
    prepare: () => undefined,
    run: secret => {
      sum ^= (multiplier * numberOf(secret.subarray(0, SCALAR_BYTES))) % ORDER;
    },
  };
}

function numberOf(bytes: Uint8Array): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let number = 0n;
  for (let at = bytes.length - 8; at >= 0; at -= 8) number = (number << 64n) | view.getBigUint64(at, true);
  return number;
}

export const SUBJECTS: readonly Subject[] = [leakyProduct(), product(), basepointProduct(), signature()];
