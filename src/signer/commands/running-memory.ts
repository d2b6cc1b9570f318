import { CustodyError } from '../../pkcs11/error.ts';
import { connectKeyholder } from '../../pkcs11/keyholder-client.ts';
import type { SignerConfig } from '../config.ts';
import type { StatusAnswer } from '../contract/requests.ts';
import { askDaemon } from '../daemon-client.ts';
import { canReachSwap } from '../status.ts';

type Asked = Pick<SignerConfig, 'run' | 'keyholder' | 'isSwapAccepted'>;

/**
 * Before a list is written: a keyholder that went on without locked memory refuses one that asks for it, and then nothing is
 * signed any more. One that does not run, or does not answer, reads the list when it starts. CustodyError LOCKED_MEMORY
 */
export async function checkRunningMemory(config: Asked): Promise<void> {
  if (config.isSwapAccepted || !(await isRunningUnlocked(config))) return;
  throw new CustodyError(
    'LOCKED_MEMORY',
    'the keyholder runs without locked memory and would refuse this list; nothing was changed; restart it with locked memory allowed (LimitMEMLOCK=64M in its unit), then apply again',
  );
}

async function isRunningUnlocked(config: Asked): Promise<boolean> {
  const answer = await askDaemon(config, 'GET', '/status');
  // The daemon has the keyholder to itself.
  if (answer === undefined) return await isKeyholderUnlocked(config.keyholder);
  return answer.status === 200 && canReachSwap(JSON.parse(answer.body.toString('utf8')) as StatusAnswer);
}

/** Of one that runs by itself while no core does. */
async function isKeyholderUnlocked(keyholder: SignerConfig['keyholder']): Promise<boolean> {
  if (keyholder.kind !== 'unix') return false;
  try {
    const client = await connectKeyholder(keyholder.path);
    try {
      return !(await client.status()).isMemoryLocked;
    } finally {
      await client.close();
    }
  } catch (thrown) {
    if (thrown instanceof CustodyError) return false;
    throw thrown;
  }
}
