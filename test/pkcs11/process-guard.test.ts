import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { FrameChannel } from '../../src/pkcs11/frames.ts';
import { encodePinJudgement } from '../../src/pkcs11/pin-tags.ts';
import { PROBE_FRAME, encodeLook } from '../../src/pkcs11/probe-messages.ts';
import { foreignFlags } from '../../src/pkcs11/process-guard.ts';
import { SIGNING_FRAME, encodeEnter } from '../../src/pkcs11/signing-messages.ts';
import { TOKEN_FRAME, encodeFindRequest, parseFailure } from '../../src/pkcs11/token-messages.ts';
import { WireWriter } from '../../src/pkcs11/wire.ts';
import { readSources } from '../setup/module-graph.ts';
import { coreFilesOf, listeningSockets } from './listening.ts';

const folder = mkdtempSync(join(tmpdir(), 'guard-'));
afterAll(() => rmSync(folder, { recursive: true }));
const running: ChildProcess[] = [];
afterEach(async () => {
  for (const child of running.splice(0)) {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }
});

describe('flags of Node', () => {
  test.each([
    ['--disable-sigusr1', '--disallow-code-generation-from-strings', '--no-warnings'],
    ['--max-semi-space-size=2', '--max-old-space-size=200', '--permission', '--allow-addons'],
    ['--allow-fs-read=/var/lib', '--jitless', '--disable-warning=ExperimentalWarning'],
  ])('%s are let through', (...flags) => {
    expect(foreignFlags(flags)).toEqual([]);
    expect(foreignFlags([], flags.join(' '))).toEqual([]);
  });

  test.each([
    '--inspect',
    '--inspect-brk=127.0.0.1:1',
    '--inspect-port=0',
    '--require',
    '-r',
    '--import',
    '--loader',
    '--experimental-loader',
    '--eval',
    '-e',
    '--env-file=.env',
    '--report-on-signal',
    '--report-on-fatalerror',
    '--report-uncaught-exception',
    '--heapsnapshot-signal=SIGUSR2',
    '--heapsnapshot-near-heap-limit=1',
    '--heap-prof',
    '--cpu-prof',
    '--prof',
    '--perf-basic-prof',
    '--abort-on-uncaught-exception',
    '--tls-keylog=/x',
    '--trace-gc',
    '--a-flag-of-a-later-node',
  ])('%s is refused, wherever it comes from', flag => {
    const name = flag.replace(/=.*/u, '');
    expect(foreignFlags(['--no-warnings', flag])).toEqual([name]);
    expect(foreignFlags([], `--no-warnings  ${flag}`)).toEqual([name]);
  });

  test('are named without their values', () => {
    expect(foreignFlags(['--title=secret', 'secret'])).toEqual(['--title', 'a value of its own']);
  });
});

type Entry = 'token-process' | 'administration' | 'signing-process' | 'probe-process';
const access = { uri: 'pkcs11:token=none', modulePath: '/no/module.so', pinSource: 'file:/no/pin' };
/** What each is asked, and how it refuses that in good order. */
const REQUESTS: Readonly<Record<Entry, { type: number; payload: Uint8Array; code: string }>> = {
  'token-process': { type: TOKEN_FRAME.find, payload: encodeFindRequest(access), code: 'MODULE_PATH' },
  administration: {
    type: TOKEN_FRAME.list,
    payload: new WireWriter().str16('/no/module.so').finish(),
    code: 'MODULE_LOAD',
  },
  'signing-process': {
    type: SIGNING_FRAME.enter,
    payload: encodeEnter({ access, label: 'onion-signer period key', known: [] }),
    code: 'MODULE_PATH',
  },
  'probe-process': { type: PROBE_FRAME.look, payload: encodeLook(access), code: 'MODULE_PATH' },
};

function startEntry(entry: Entry, flags: readonly string[], env: Record<string, string> = {}): ChildProcess {
  const path = fileURLToPath(new URL(`../../src/pkcs11/${entry}.ts`, import.meta.url));
  const child = spawn(process.execPath, [...flags, path], {
    cwd: folder,
    env,
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
  });
  running.push(child);
  return child;
}

/** The code with which it refuses. */
async function ask(child: ChildProcess, { type, payload }: (typeof REQUESTS)[Entry]): Promise<string> {
  const channel = new FrameChannel(child.stdio[3] as Duplex);
  await channel.send(
    TOKEN_FRAME.pins,
    0,
    encodePinJudgement({ key: new Uint8Array(32), records: [], isOwn: false }),
  );
  await channel.send(type, 1, payload);
  const answer = await channel.receive();
  return answer?.type === TOKEN_FRAME.failure ? parseFailure(answer.payload).code : 'answered';
}

/** An ordinary process that opens an inspector when it is told to, wherever there is a port. */
async function startControl(): Promise<ChildProcess> {
  const script = 'process.stdout.write("up"); setInterval(() => {}, 1e6)';
  const control = spawn(process.execPath, ['--inspect-port=0', '-e', script], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  running.push(control);
  if (control.stdout !== null) await once(control.stdout, 'data');
  return control;
}

const ENTRIES = Object.keys(REQUESTS) as Entry[];
const PATIENT = { timeout: 120_000 };

describe('the processes that load modules of vendors', () => {
  test('do nothing under an inspector, with reports, snapshots or code of others', async () => {
    const flags = ['--inspect=127.0.0.1:0', '--report-on-signal', '--import=data:text/javascript,'];
    const env = { NODE_OPTIONS: '--heapsnapshot-signal=SIGUSR2' };
    const codes = await Promise.all(
      ENTRIES.flatMap((entry, i) => [
        ask(startEntry(entry, [flags[i % flags.length] ?? '']), REQUESTS[entry]),
        ask(startEntry(entry, [], env), REQUESTS[entry]),
      ]),
    );
    expect(codes).toEqual(ENTRIES.flatMap(() => ['PROCESS_EXPOSED', 'PROCESS_EXPOSED']));
  });

  test('open no inspector and write no file when they get signals, and no memory into core files', async () => {
    const control = await startControl();
    expect(coreFilesOf(control.pid ?? 0).filter).not.toBe(0);
    const children = ENTRIES.map(entry => startEntry(entry, []));
    for (const { pid = 0 } of children) {
      await expect.poll(() => coreFilesOf(pid), PATIENT).toEqual({ filter: 0, limit: '0' });
      process.kill(pid, 'SIGUSR1');
      process.kill(pid, 'SIGUSR2');
    }
    control.kill('SIGUSR1');
    // Positive control: of an ordinary process the same signal makes one that listens.
    await expect.poll(() => listeningSockets(control.pid ?? 0), PATIENT).toHaveLength(1);
    for (const { pid = 0 } of children) expect(listeningSockets(pid)).toEqual([]);
    expect(readdirSync(folder)).toEqual([]);
    // They work on, and as before.
    const codes = await Promise.all(
      children.map((child, i) => ask(child, REQUESTS[ENTRIES[i] ?? 'administration'])),
    );
    expect(codes).toEqual(ENTRIES.map(entry => REQUESTS[entry].code));
  });
});

describe('the core', () => {
  const main = fileURLToPath(new URL('../../src/signer/main.ts', import.meta.url));
  const serve = async (flags: readonly string[]): Promise<string> => {
    const child = spawn(process.execPath, [...flags, main, '--config', join(folder, 'none.yaml'), 'serve'], {
      env: {},
      cwd: folder,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    running.push(child);
    let said = '';
    for await (const text of child.stderr.setEncoding('utf8')) said += String(text);
    return said;
  };

  test('does not serve under an inspector, with reports or with code of others', async () => {
    const [control, inspected, reporting] = await Promise.all([
      serve([]),
      serve(['--inspect=127.0.0.1:0']),
      serve(['--report-uncaught-exception']),
    ]);
    expect(control).toContain('none.yaml');
    expect(control).not.toContain('PROCESS_EXPOSED');
    expect(inspected).toContain('PROCESS_EXPOSED: ');
    expect(reporting).toContain('PROCESS_EXPOSED: ');
  });
});

describe('the programs of this package', () => {
  /** What exports nothing is there to be run: the main module of a process. */
  const programsIn = (sources: ReadonlyMap<string, string>): string[] =>
    [...sources]
      .filter(([file, text]) => !/^export /mu.test(text) && !file.endsWith('.d.ts'))
      .map(([file]) => file);
  const GUARDED = [
    ...ENTRIES.map(entry => `src/pkcs11/${entry}.ts`),
    // In keyholder-process.test.ts; while it runs, and the core too, in e2e/period-keys.test.ts.
    'src/pkcs11/keyholder.ts',
    'src/signer/main.ts',
  ];
  /** It has no secret that a client, an HSDir or a token would believe. */
  const WITHOUT_SECRETS = ['src/publisher/main.ts'];

  test('are all tried, but for the publisher', () => {
    const sources = readSources(fileURLToPath(new URL('../..', import.meta.url)), 'src');
    expect(programsIn(sources).toSorted()).toEqual([...GUARDED, ...WITHOUT_SECRETS].toSorted());
    sources.set('src/pkcs11/new-process.ts', "import './frames.ts';\n");
    expect(programsIn(sources)).toContain('src/pkcs11/new-process.ts');
  });
});
