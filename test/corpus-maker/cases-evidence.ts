import {
  certExpiryHours,
  type DescriptorErrorCode,
  type DescriptorLayer,
} from '../../src/descriptor/index.ts';
import { CLIENT, type Making, NOW, STRANGER, described, flipped, pointWith, replaced } from './compact.ts';
import type { CorpusFile, Group } from './corpus-file.ts';

const GROUP: Group = { format: 'evidence', section: 'ours', control: 'evidence-plain', ending: '.desc' };
const HOUR = 3600;

function file(
  name: string,
  shows: string,
  making: Making,
  code?: DescriptorErrorCode,
  layer?: DescriptorLayer,
  control?: string,
): CorpusFile {
  return described(GROUP, `evidence-${name}`, shows, making, {
    ...(code && { code }),
    ...(layer && { layer }),
    ...(control && { control: `evidence-${control}` }),
  });
}

/** Descriptors of a backend as evidence: what they say about the time at which they were made. */
export function evidenceFiles(): CorpusFile[] {
  const counter = (value: bigint): Making => ({ counter: value });
  return [
    file('plain', 'made now', {}),
    file('two-hours-old', 'made two hours ago', { at: NOW - 2 * HOUR }),
    file(
      'five-hours-old',
      'made five hours ago',
      { at: NOW - 5 * HOUR },
      'EVIDENCE_STALE',
      undefined,
      'two-hours-old',
    ),
    file('one-minute-ahead', 'made in a minute, as by a clock that is ahead', { at: NOW + 60 }),
    file(
      'two-hours-ahead',
      'made in two hours',
      { at: NOW + 2 * HOUR },
      'EVIDENCE_FROM_FUTURE',
      undefined,
      'one-minute-ahead',
    ),
    file('counter-0', 'the counter 0, which no second has', counter(0n), 'COUNTER_OUT_OF_RANGE'),
    file(
      'counter-max',
      'the counter 2^64-1, which would end the period',
      counter(2n ** 64n - 1n),
      'COUNTER_OUT_OF_RANGE',
    ),
    file('counter-1', 'a counter of the first second of the period', counter(1n), 'EVIDENCE_INCONSISTENT'),
    file(
      'counter-of-tomorrow',
      'a counter of a day later',
      counter(133_200n * 32_768n),
      'EVIDENCE_INCONSISTENT',
    ),
    file(
      'expiry-later',
      'a certificate of seven hours later than the counter',
      { expiryHours: certExpiryHours(NOW) + 7 },
      'EVIDENCE_INCONSISTENT',
    ),
    file(
      'expiry-earlier',
      'a certificate of seven hours before the counter',
      { expiryHours: certExpiryHours(NOW) - 7 },
      'EVIDENCE_INCONSISTENT',
    ),
    file(
      'expiry-90-days',
      'a certificate that is good for 90 days',
      { expiryHours: certExpiryHours(NOW) + 36 * 24 },
      'EVIDENCE_INCONSISTENT',
    ),
    file(
      'point-expired',
      'the certificates of the point have expired',
      { innerExpiryHours: Math.floor(NOW / HOUR) - 1 },
      'EVIDENCE_STALE',
    ),
    file('point-expires-now', 'they are good until this very second', {
      innerExpiryHours: Math.floor(NOW / HOUR),
    }),
    file(
      'no-point',
      'no introduction point',
      { editInner: replaced(/introduction-point[^]*/u, '') },
      'POINT_COUNT',
    ),
    file('restricted', 'a backend that restricts discovery', { clients: [CLIENT] }, 'COOKIE_MISSING'),
    file(
      'other-backend',
      'of another service than claimed',
      { label: 'stranger of the corpus' },
      'WRONG_PERIOD',
      'outer',
    ),
    file('signature', 'signed by another key', { signDescriptor: STRANGER.sign }, 'BAD_SIGNATURE', 'outer'),
    file(
      'point-cert',
      'one bad certificate of a point',
      pointWith(({ authKeyCert }) => ({ authKeyCert: flipped(authKeyCert, 99) })),
      'BAD_SIGNATURE',
      'inner',
    ),
  ];
}
