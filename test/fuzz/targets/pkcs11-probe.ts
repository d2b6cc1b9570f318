// Messages between an operator's command and the process that probes a token.

import * as probe from '../../../src/pkcs11/probe-messages.ts';
import type { Target } from '../target.ts';
import { message } from './pkcs11-messages.ts';

const access = { modulePath: '/usr/lib/softhsm/libsofthsm2.so', uri: 'pkcs11:token=press', pinSource: 'tty' };
const module = { description: 'd', manufacturer: 'm', version: '2.6', cryptoki: '2.40' };
const token = {
  label: 'press',
  manufacturer: 'm',
  model: '',
  serial: '1',
  hardware: '1.0',
  firmware: '2.6',
  flags: 0x40d,
  maxSessions: 0xffff_ffff,
};

export const PKCS11_PROBE: readonly Target[] = [
  message('probe/look', probe.parseLook, probe.encodeLook, [access]),
  message('probe/sighting', probe.parseSighting, probe.encodeSighting, [
    { module, token, mechanisms: [] },
    { module, token, mechanisms: [{ type: 0x1057, minKeySize: 256, maxKeySize: 456 }] },
  ]),
  message('probe/attempt', probe.parseAttempt, probe.encodeAttempt, ['clean', 'eddsa-50k']),
  message('probe/tried', probe.parseTried, probe.encodeTried, [
    { outcome: 'works', detail: 'SHA-1', ckr: 0, perSecond: 0.017 },
    { outcome: 'refused', detail: '', ckr: 0x70, perSecond: 0 },
  ]),
];
