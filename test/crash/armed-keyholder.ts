import { HostState } from '../../src/pkcs11/host-state.ts';
import { MarkLog } from '../../src/pkcs11/mark-log.ts';
import { PeriodKey } from '../../src/pkcs11/period-keys.ts';
import { arm } from './armed.ts';

arm(
  [MarkLog, 'spend', 'recordCheckpoint', 'recordGeneration'],
  [PeriodKey, 'signDescriptor'],
  [HostState, 'save'],
);
await import('../../src/pkcs11/keyholder.ts');
