import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { parseEnvelope } from '../../../src/pkcs11/envelope-header.ts';
import { parseList } from '../../../src/pkcs11/list.ts';
import { lockState } from '../../../src/pkcs11/state-lock.ts';
import { addPolicyCommands } from '../../../src/signer/commands/policy.ts';
import { journalPath, type SignerConfig } from '../../../src/signer/config.ts';
import { problemBody, type ProblemCode } from '../../../src/signer/contract/problems.ts';
import { adminSocketPath } from '../../../src/signer/daemon-client.ts';
import { createJournal } from '../../../src/signer/journal/journal.ts';
import { encodePolicy } from '../../../src/signer/policy/types.ts';
import { expectCodeOf } from '../../pkcs11/expect-code.ts';
import { rejection } from '../failure.ts';
import { signerFolder } from './signer-folder.ts';
import { BACKENDS, load, MASTER, serviceYaml } from '../policy/services.ts';

let folder: string;
let config: SignerConfig;
let daemon: Server | undefined;

beforeEach(() => {
  ({ folder, config } = signerFolder());
  write(serviceYaml());
  createJournal(journalPath(config), { origin: 'signer.example/test', now: 1 });
});
afterEach(async () => {
  await new Promise(resolve => (daemon === undefined ? resolve(undefined) : daemon.close(resolve)));
  daemon = undefined;
  rmSync(folder, { recursive: true });
});

const write = (text: string): void => writeFileSync(join(config.policies, 'frontpage.yaml'), text);
const listed = (): number => parseList(readFileSync(config.keyholderList)).serial;

/** What the command printed. */
async function run(...args: string[]): Promise<string> {
  const program = new Command();
  const printed: string[] = [];
  addPolicyCommands(program, {
    config: () => config,
    configPath: () => config.file,
    command: rest => `onion-signer ${rest}`,
    print: text => printed.push(text),
  });
  await program.parseAsync(['policy', ...args], { from: 'user' });
  return printed.join('');
}

/**
 * A daemon that has policy 1 in force and answers another one with `code`; undefined: it dies over it. `status` is what it says
 * of itself and its keyholder; undefined: it cannot tell.
 */
async function daemonThat(
  code: ProblemCode | undefined,
  status?: { readonly memory: string },
): Promise<void> {
  const signer = JSON.stringify({ origin: 'log', journal: '0'.repeat(32), network: 'tor' });
  daemon = createServer((request, response) => {
    if (request.method === 'GET' && request.url === '/policy/names') {
      response.end(JSON.stringify([{ service: 'frontpage', address: MASTER.address }]));
    } else if (request.url === '/status') {
      if (status === undefined)
        response.writeHead(503).end(JSON.stringify(problemBody('KEYHOLDER_UNAVAILABLE')));
      else response.end(JSON.stringify(status));
    } else if (request.method === 'GET') {
      response.writeHead(200, { 'policy-serial': '1', 'policy-signer': signer });
      response.end(encodePolicy(load(serviceYaml())));
    } else if (code === undefined) request.destroy();
    else response.writeHead(500).end(JSON.stringify(problemBody(code)));
  });
  await new Promise<void>(resolve => daemon?.listen(adminSocketPath(config), resolve));
}

test('a policy that is refused leaves the keyholder its list', async () => {
  await run('apply', '--yes');
  expect(listed()).toBe(1);
  await daemonThat('POLICY_SERIAL');
  write(serviceYaml('limits: { requests: 10/h }\n'));
  const error = await rejection(run('apply', '--yes'));
  expect([error.code, listed()]).toEqual(['POLICY_SERIAL', 1]);
});

test('when nobody says what became of a policy the new list stays: the journal may have it', async () => {
  await run('apply', '--yes');
  await daemonThat(undefined);
  write(serviceYaml('limits: { requests: 10/h }\n'));
  const error = await rejection(run('apply', '--yes'));
  expect([error.code, listed()]).toEqual(['NOT_READY', 2]);
});

test('a keyholder without locked memory is given no list that asks for it, and nothing is written', async () => {
  await run('apply', '--yes');
  await daemonThat('POLICY_SERIAL', { memory: 'NOT LOCKED' });
  const there = readFileSync(config.keyholderList);
  const refused = run('apply', '--yes');
  await expectCodeOf('LOCKED_MEMORY', refused);
  await expect(refused).rejects.toThrow(/restart .*LimitMEMLOCK/u);
  expect(readFileSync(config.keyholderList)).toEqual(there);
  // A list that accepts it goes on to the daemon.
  config = { ...config, isSwapAccepted: true };
  expect((await rejection(run('apply', '--yes'))).code).toBe('POLICY_SERIAL');
});

test.each([
  ['locked memory', { memory: 'locked' }],
  ['no answer', undefined],
])('a keyholder with %s is given the list that asks for locked memory', async (_, status) => {
  await run('apply', '--yes');
  // Nobody says what became of it: the list is written.
  await daemonThat(undefined, status);
  expect([(await rejection(run('apply', '--yes'))).code, listed()]).toEqual(['NOT_READY', 2]);
});

test('a new name is that of the identity sealed here, or nothing is written', async () => {
  await run('apply', '--yes');
  // The example of docs/formats/envelope.md.
  const page = readFileSync(new URL('../../../docs/formats/envelope.md', import.meta.url), 'utf8');
  const [header = '', body = ''] = [...page.matchAll(/^```text\n(.*?)^```$/gmsu)].map(([, text]) => text);
  const sealed = Buffer.concat([
    Buffer.from(header, 'latin1'),
    Buffer.from(body.replaceAll('\n', ''), 'hex'),
  ]);
  mkdirSync(config.envelopes);
  writeFileSync(join(config.envelopes, 'wiki.age'), sealed);
  const address = `${parseEnvelope(sealed).address}.onion`;
  const wiki = (name: string): void =>
    writeFileSync(
      join(config.policies, 'wiki.yaml'),
      `service: ${name}\naddress: ${address}\npublishers: [vps1]\nbackends: { box: ${BACKENDS[4]?.address} }\n`,
    );
  wiki('wikki');
  for (const command of [['apply', '--yes'], ['propose']]) {
    const error = await rejection(run(...command));
    expect([error.code, listed()]).toEqual(['BAD_VALUE', 1]);
  }
  wiki('wiki');
  await run('apply', '--yes');
  expect(listed()).toBe(2);
});

test('of two at the same time the second is refused before it writes anything', async () => {
  await run('apply', '--yes');
  const lock = await lockState(config.state);
  write(serviceYaml('limits: { requests: 10/h }\n'));
  const error = await rejection(run('apply', '--yes'));
  expect([error.code, listed()]).toEqual(['POLICY_SERIAL', 1]);
  await lock.release();
  await run('apply', '--yes');
  expect(listed()).toBe(2);
});

test.each([false, true])('a service keeps its name, before anything is written (daemon: %s)', async runs => {
  await run('apply', '--yes');
  if (runs) await daemonThat('INTERNAL');
  write(serviceYaml('', `service: backpage\naddress: ${MASTER.address}\n`));
  for (const command of [['apply', '--yes'], ['propose']]) {
    const error = await rejection(run(...command));
    expect([error.code, listed()]).toEqual(['SERVICE-NAME', 1]);
  }
});
