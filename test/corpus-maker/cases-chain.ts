import { concat } from '../../src/descriptor/bytes.ts';
import type { Bytes, DescriptorErrorCode, DescriptorLayer } from '../../src/descriptor/index.ts';
import { PERIOD, identity } from '../descriptor/forge.ts';
import { rawCert, signedWith } from './cases-certificates.ts';
import {
  DESC_SIGN,
  EXPIRY_HOURS,
  KP_HS_BLIND_ID,
  type Making,
  NOW,
  PERIODS,
  SERVICE,
  STRANGER,
  certBy,
  described,
  flipped,
  replaced,
  withOuterCert,
} from './compact.ts';
import type { CorpusFile, Group } from './corpus-file.ts';
import { SMALL_ORDER, littleEndianBytes, withOrderAdded } from './curve.ts';
import { OUTER } from './places.ts';

/** From the address to the text: blinded key, certificate 08, signature. */
export function chainFiles(): CorpusFile[] {
  const group: Group = { ...OUTER, control: 'chain-plain' };
  const made = (
    name: string,
    shows: string,
    making: Making,
    code?: DescriptorErrorCode,
    layer?: DescriptorLayer,
  ): CorpusFile =>
    described(group, `chain-${name}`, shows, making, { ...(code && { code }), ...(layer && { layer }) });
  const cert = (
    certifiedKey: Bytes,
    change: { certType?: number; keyType?: number; expiryHours?: number } = {},
  ): Making =>
    withOuterCert(
      rawCert(
        {
          certType: 8,
          expiryHours: EXPIRY_HOURS,
          certifiedKey,
          extensions: [signedWith(KP_HS_BLIND_ID)],
          ...change,
        },
        body => SERVICE.signBlinded(PERIOD, body),
      ),
    );
  const own = DESC_SIGN.publicKey;
  const [other] = PERIODS.filter(({ periodNum }) => periodNum !== PERIOD.periodNum);
  return [
    made('plain', 'nothing changed', {}),
    made(
      'other-service',
      'the descriptor of another service',
      { label: 'stranger of the corpus' },
      'WRONG_PERIOD',
    ),
    made(
      'other-published-period',
      'of the other period that is published now',
      other === undefined ? {} : { period: other },
    ),
    made(
      'period-before',
      'of a period that is over',
      { counter: 1n, period: { ...PERIOD, periodNum: PERIOD.periodNum - 5 } },
      'WRONG_PERIOD',
    ),
    made(
      'period-after',
      'of a period to come',
      { counter: 1n, period: { ...PERIOD, periodNum: PERIOD.periodNum + 5 } },
      'WRONG_PERIOD',
    ),
    made(
      'cert-stranger',
      'the certificate signed by another key',
      { signCert: (_, body) => STRANGER.sign(body) },
      'BAD_SIGNATURE',
    ),
    made(
      'cert-other-period',
      'the certificate signed by the blinded key of another period',
      {
        signCert: (period, body) => SERVICE.signBlinded({ ...period, periodNum: period.periodNum + 1 }, body),
      },
      'BAD_SIGNATURE',
    ),
    made(
      'cert-other-identity',
      'the certificate signed by another service',
      { signCert: (period, body) => identity('other').signBlinded(period, body) },
      'BAD_SIGNATURE',
    ),
    made(
      'cert-expired',
      'expired by an hour',
      cert(own, { expiryHours: Math.floor(NOW / 3600) - 1 }),
      'CERT_EXPIRED',
    ),
    made(
      'cert-expires-now',
      'good until this very second',
      cert(own, { expiryHours: Math.floor(NOW / 3600) }),
    ),
    made('cert-type-09', 'a certificate of an introduction point', cert(own, { certType: 9 }), 'BAD_CERT'),
    made('cert-key-type', 'a certified key of type 3', cert(own, { keyType: 3 }), 'BAD_CERT'),
    made('cert-cut', 'cut off', withOuterCert(certBy(DESC_SIGN, 8, own).subarray(0, 100)), 'BAD_CERT'),
    made(
      'cert-trailing',
      'a byte behind',
      withOuterCert(concat(certBy(DESC_SIGN, 8, own), Uint8Array.of(0))),
      'TRAILING_DATA',
    ),
    made(
      'cert-self-signed',
      'the descriptor signing key certifies itself',
      withOuterCert(certBy(DESC_SIGN, 8, own)),
      'WRONG_PERIOD',
    ),
    made('cert-small-order', 'over a key of small order', cert(SMALL_ORDER[1] ?? own), 'BAD_KEY'),
    made(
      'cert-other-key',
      'over another key than the one that signed the text',
      cert(STRANGER.publicKey),
      'BAD_SIGNATURE',
    ),
    made(
      'signature-stranger',
      'the text signed by another key',
      { signDescriptor: STRANGER.sign },
      'BAD_SIGNATURE',
    ),
    made(
      'signature-blinded',
      'the text signed by the blinded key',
      { signDescriptor: message => SERVICE.signBlinded(PERIOD, message) },
      'BAD_SIGNATURE',
    ),
    made(
      'signature-no-prefix',
      'the text signed without its prefix',
      { signDescriptor: message => DESC_SIGN.sign(message.subarray(35)) },
      'BAD_SIGNATURE',
    ),
    made(
      'signature-changed',
      'one bit of S',
      { signDescriptor: message => flipped(DESC_SIGN.sign(message), 40) },
      'BAD_SIGNATURE',
    ),
    made(
      'signature-s-plus-order',
      'S + l',
      {
        signDescriptor: message => withOrderAdded(DESC_SIGN.sign(message)),
      },
      'BAD_SIGNATURE',
    ),
    made(
      'signature-zeros',
      'a signature of zeros',
      { signDescriptor: () => new Uint8Array(64) },
      'BAD_SIGNATURE',
    ),
    made(
      'text-changed',
      'a lifetime changed after signing',
      { editText: replaced('lifetime 180', 'lifetime 181') },
      'BAD_SIGNATURE',
    ),
  ];
}

/** What a directory sees, which knows no address. */
export function directoryFiles(): CorpusFile[] {
  const group: Group = { ...OUTER, format: 'hsdir', control: 'hsdir-plain' };
  const made = (name: string, shows: string, making: Making, code?: DescriptorErrorCode): CorpusFile =>
    described(group, `hsdir-${name}`, shows, making, code && { code });
  const named = (key: Bytes): Making =>
    withOuterCert(
      rawCert(
        {
          certType: 8,
          expiryHours: EXPIRY_HOURS,
          certifiedKey: DESC_SIGN.publicKey,
          extensions: [signedWith(key)],
        },
        DESC_SIGN.sign,
      ),
    );
  return [
    made('plain', 'certificate and text are signed', {}),
    made('any-service', 'of a service that the directory does not know', { label: 'stranger of the corpus' }),
    made(
      'key-small-order',
      'a blinded key of small order',
      named(SMALL_ORDER[1] ?? KP_HS_BLIND_ID),
      'BAD_KEY',
    ),
    made(
      'key-not-canonical',
      'a blinded key with y = p + 3',
      named(littleEndianBytes(2n ** 255n - 19n + 3n)),
      'BAD_KEY',
    ),
    made('key-not-a-point', 'a blinded key that is no point', named(littleEndianBytes(2n)), 'BAD_KEY'),
    made(
      'cert-signature',
      'a certificate that the blinded key did not sign',
      { signCert: (_, body) => STRANGER.sign(body) },
      'BAD_SIGNATURE',
    ),
    made(
      'signature',
      'a text that the descriptor signing key did not sign',
      { signDescriptor: STRANGER.sign },
      'BAD_SIGNATURE',
    ),
  ];
}
