import { KeyholderDoor } from '../../src/signer/commands/keyholder-door.ts';
import { Journal } from '../../src/signer/journal/journal.ts';
import { arm } from './armed.ts';

arm(
  [Journal, 'reserve', 'release', 'applyPolicy', 'recovered'],
  [KeyholderDoor, 'sign', 'checkpoint', 'reload'],
);
await import('../../src/signer/main.ts');
