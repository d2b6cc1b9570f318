// A keyholder in a process of its own, whose clock and deeds are its parent's. Argument: paths and environment of the
// token, as JSON. Reads `prepare` and `forward SECONDS`, and prints DONE after each.
import { createInterface } from 'node:readline';
import { publishablePeriods, TOR_NETWORK } from '../../../src/descriptor/index.ts';
import { parseHostKeySource } from '../../../src/pkcs11/host-key.ts';
import { HostState } from '../../../src/pkcs11/host-state.ts';
import { Keyholder } from '../../../src/pkcs11/keyholder-service.ts';
import { TokenClient } from '../../../src/pkcs11/token-client.ts';
import { identity } from '../../descriptor/forge.ts';
import { backendDescriptor } from '../keyholder-rig.ts';

interface Start {
  readonly state: string;
  readonly list: string;
  readonly hostKey: string;
  readonly env: Readonly<Record<string, string>>;
}

const { state, list, hostKey, env } = JSON.parse(process.argv[2] ?? '') as Start;
let ahead = 0;
const clock = (): number => Date.now() + 1000 * ahead;
const client = new TokenClient({
  env,
  deadlineMs: 120_000,
  onSpawn: pid => process.stdout.write(`CHILD ${pid}\n`),
});
const keyholder = new Keyholder({
  host: HostState.open(state, parseHostKeySource(hostKey)),
  listPath: list,
  openerFor: () => client,
  isolation: 'own process',
  clock,
});

async function obey(line: string): Promise<string> {
  const [word, seconds = '0'] = line.split(' ');
  if (word === 'prepare') {
    const prepared = await keyholder.prepare();
    return prepared.map(({ errorCode }) => errorCode || 'prepared').join(' ');
  }
  ahead += Number(seconds);
  // A backend's descriptor proves the time to which the clock went.
  const second = Math.floor(clock() / 1000);
  const [period] = publishablePeriods(TOR_NETWORK, second);
  if (period === undefined) throw new Error('no period');
  const service = keyholder.status().services.find(({ alias }) => alias === 'alpha');
  const text = backendDescriptor('a1', { at: second - 600, period });
  keyholder.prove(service?.kpHsId ?? identity('a1').kpHsId, text);
  keyholder.expire();
  return String(keyholder.status().services.flatMap(({ periods }) => periods).length);
}

process.stdout.write('UP\n');
for await (const line of createInterface({ input: process.stdin }))
  process.stdout.write(`DONE ${await obey(line)}\n`);
