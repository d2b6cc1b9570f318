// What the publisher reads: tor's control port and SOCKS port, the consensus, the signer's answers, its own files.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type Server, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TOR_NETWORK, formatOnionAddress, pointKey } from '../../../src/descriptor/index.ts';
import { parseConfig } from '../../../src/publisher/config.ts';
import { parseControlEvent } from '../../../src/publisher/control/events.ts';
import { type Reply, ReplyParser, parseReplyArguments } from '../../../src/publisher/control/grammar.ts';
import { readNetworkView } from '../../../src/publisher/network-view.ts';
import { Shelf } from '../../../src/publisher/shelf.ts';
import { SOCKS_ERROR_CODES, connectThroughSocks } from '../../../src/publisher/socks.ts';
import { newServiceState, readState, startState, writeState } from '../../../src/publisher/state.ts';
import { CONFIG_TEMPLATE } from '../../../src/publisher/template.ts';
import { verifyAnswer } from '../../../src/publisher/verify-answer.ts';
import {
  type SignAnswer,
  SignAnswerSchema,
  compileValidator,
} from '../../../src/signer/contract/requests.ts';
import { parseStrictJson } from '../../../src/signer/contract/strict-json.ts';
import { forge, identity } from '../../descriptor/forge.ts';
import { Random } from '../random.ts';
import { latin1, utf8 } from '../seeds.ts';
import { type Target, demand, demandEqual, verdictOf } from '../target.ts';

const text = (input: Uint8Array): string => Buffer.from(input).toString('utf8');
const data = (name: string): string =>
  readFileSync(new URL(`../../publisher/data/${name}`, import.meta.url), 'latin1');
const folder = mkdtempSync(join(tmpdir(), 'fuzz-publisher-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

const label = 'a'.repeat(56);
const hsDir = `$${'AB'.repeat(20)}~relay1`;
const EVENTS = [
  `650 HS_DESC RECEIVED ${label} NO_AUTH ${hsDir} ${'k'.repeat(43)}\r\n`,
  `650 HS_DESC FAILED ${label} NO_AUTH UNKNOWN REASON=NOT_FOUND\r\n`,
  `650+HS_DESC_CONTENT ${label} ${'k'.repeat(43)} ${hsDir}\r\nhs-descriptor 3\r\n..x\r\n.\r\n650 OK\r\n`,
  '650 STATUS_CLIENT NOTICE BOOTSTRAP PROGRESS=100 TAG=done SUMMARY="Do\\"n\\101\\n"\r\n',
  '650+NEWCONSENSUS\r\nr a\r\n.\r\n650 OK\r\n',
  '650 SIGNAL NEWNYM\r\n',
  '250-version=0.4.8\r\n250 OK\r\n',
];
const BOUNDS = { maxLineBytes: 4096, maxReplyBytes: 65_536 };

function readReplies(input: Buffer, chunk: () => number): Reply[] {
  const parser = new ReplyParser(BOUNDS);
  const replies: Reply[] = [];
  for (let at = 0; at < input.length; ) {
    const next = at + chunk();
    replies.push(...parser.push(input.subarray(at, next)));
    at = next;
  }
  return replies;
}

const control: readonly Target[] = [
  {
    name: 'control/replies',
    area: 'control',
    codes: ['CONTROL_SYNTAX', 'CONTROL_TOO_LONG'],
    shapes: ['lines', 'bytes'],
    seeds: () => [...EVENTS, EVENTS.join('')].map(utf8),
    run: input => {
      const bytes = Buffer.from(input);
      const random = new Random(latin1(input));
      const whole = verdictOf('control', () => readReplies(bytes, () => bytes.length));
      const split = verdictOf('control', () => readReplies(bytes, () => 1 + random.below(9)));
      demandEqual(split, whole, 'it does not matter how the stream is cut');
      const replies = readReplies(bytes, () => bytes.length);
      const length = replies
        .flatMap(({ lines }) => lines)
        .reduce((sum, { text, data = '' }) => sum + text.length + data.length, 0);
      demand(length <= input.length, 'a reply is no longer than its text');
    },
  },
  {
    name: 'control/arguments',
    area: 'control',
    codes: ['CONTROL_SYNTAX'],
    shapes: ['tokens', 'lines', 'bytes'],
    seeds: () => ['NOTICE BOOTSTRAP PROGRESS=100 SUMMARY="Do\\"n\\101\\n"', 'a b=c', ''].map(utf8),
    run: input => {
      const { positional, keywords } = parseReplyArguments(latin1(input));
      const all = [...positional, ...keywords.values()].join('');
      demand(all.length <= input.length, 'arguments are no longer than their text');
    },
  },
  {
    name: 'control/events',
    area: 'control',
    codes: ['CONTROL_SYNTAX', 'CONTROL_TOO_LONG'],
    shapes: ['lines', 'tokens', 'bytes'],
    seeds: () => EVENTS.map(utf8),
    run: input => {
      for (const reply of readReplies(Buffer.from(input), () => input.length)) {
        const event = parseControlEvent(reply);
        const type = reply.lines[0]?.text.split(' ', 1)[0];
        demand(event === undefined || event.type === type, 'an event is of the type that it names');
      }
    },
  },
];

const CONSENSUS = data('consensus-microdesc.txt');

const MICRODESCRIPTORS = data('microdescriptors.txt');

const network: readonly Target[] = [
  {
    name: 'publisher/network-view',
    area: 'publisher',
    codes: ['CONSENSUS_SYNTAX'],
    shapes: ['lines', 'lines', 'objects', 'bytes'],
    cost: 6,
    seeds: () => [utf8(CONSENSUS)],
    run: async input => {
      const tor = {
        getInfo: async (keys: readonly string[]) =>
          Object.fromEntries(keys.map(key => [key, key === 'md/all' ? MICRODESCRIPTORS : latin1(input)])),
      };
      const view = await readNetworkView(tor);
      demand(view.hsdirs.length <= view.candidates, 'no HSDir comes from nowhere');
      demand(view.validAfter < view.freshUntil, 'its times are in order');
    },
  },
];

const AT = 1_788_500_000;
const backend = forge({ label: 'fuzz answer', points: 1 });
const ANSWER: SignAnswer = {
  id: 'abcdefghijklmnop',
  service: 'frontpage',
  address: formatOnionAddress(backend.kpHsId),
  settings: 3,
  descriptors: [
    {
      period: backend.period,
      variant: 0,
      useFrom: backend.at,
      revisionCounter: backend.parts.revisionCounter.toString(),
      text: latin1(backend.text),
    },
  ],
  checkpoint: 'a\n7\nroot\n',
};
const DESCRIPTION = {
  service: 'frontpage',
  address: formatOnionAddress(backend.kpHsId),
  network: { name: 'tor', votingIntervalSeconds: 3600, periodLengthMinutes: 1440 },
  backends: [{ name: 'torbox-1', address: formatOnionAddress(identity('fuzz b').kpHsId) }],
  limits: { minPoints: 1, maxPoints: 20, minBackends: 1, maxPointsPerBackend: 20 },
  runwaySeconds: 21_600,
  settings: 3,
};
const EXPECTED = {
  request: { id: ANSWER.id, service: 'frontpage', points: [], evidence: [] },
  description: DESCRIPTION,
  profile: TOR_NETWORK,
  points: backend.inner.introductionPoints.map(pointKey),
  now: backend.at,
};
const checkAnswer = compileValidator(SignAnswerSchema);

const answers: readonly Target[] = [
  {
    name: 'publisher/answer',
    area: 'signer',
    codes: [
      'JSON_ENCODING',
      'JSON_SYNTAX',
      'JSON_DUPLICATE_KEY',
      'JSON_DEPTH',
      'JSON_NUMBER',
      'REQUEST_SCHEMA',
    ],
    shapes: ['tokens', 'tokens', 'tokens', 'bytes'],
    cost: 10,
    seeds: () => [utf8(JSON.stringify(ANSWER))],
    run: input => {
      const answer = checkAnswer(parseStrictJson(input));
      const verdict = verifyAnswer(answer, EXPECTED);
      if (!verdict.ok) return;
      const texts = verdict.answer.descriptors.map(each => each.text);
      demand(
        texts.every(each => each === ANSWER.descriptors[0]?.text),
        'only what was signed is used',
      );
    },
  },
];

function stateSeed(): Uint8Array {
  const state = startState(undefined, ['unix:/run/s.sock'], AT);
  const service = newServiceState('unix:/run/s.sock', DESCRIPTION);
  writeState(folder, { ...state, services: { frontpage: service } });
  return new Uint8Array(readFileSync(join(folder, 'state.json')));
}

const SHELF = JSON.stringify({
  version: 2,
  entries: [{ descriptor: ANSWER.descriptors[0], points: 'p', settings: 3, signedAt: 5 }],
});
mkdirSync(join(folder, 'shelf'), { mode: 0o700 });

const files: readonly Target[] = [
  {
    name: 'publisher/state',
    area: 'publisher',
    codes: ['STATE_CORRUPT', 'STATE_VERSION'],
    shapes: ['tokens', 'tokens', 'bytes'],
    cost: 3,
    seeds: () => [stateSeed()],
    run: input => {
      writeFileSync(join(folder, 'state.json'), input, { mode: 0o600 });
      const state = readState(folder);
      demand(state !== undefined, 'a state file is read');
      startState(state, ['unix:/run/s.sock'], AT);
    },
  },
  {
    name: 'publisher/shelf',
    area: 'publisher',
    codes: ['STATE_CORRUPT'],
    shapes: ['tokens', 'tokens', 'bytes'],
    cost: 3,
    seeds: () => [utf8(SHELF)],
    run: input => {
      writeFileSync(join(folder, 'shelf', 'frontpage.json'), input, { mode: 0o600 });
      Shelf.open(folder, { readOnly: true }).entries('frontpage');
    },
  },
  {
    name: 'publisher/config',
    area: 'signer',
    codes: ['YAML_SYNTAX', 'YAML_SUBSET', 'DUPLICATE_KEY', 'UNKNOWN_KEY', 'MISSING_KEY', 'BAD_VALUE'],
    shapes: ['tokens', 'tokens', 'lines', 'bytes'],
    cost: 10,
    seeds: () => [
      utf8(CONFIG_TEMPLATE),
      utf8('signers: ["unix:/run/s.sock"]\ntor: { control: "127.0.0.1:9051" }\nprobe: { timeout: 5s }\n'),
    ],
    run: input => void parseConfig(text(input)),
  },
];

let socks: { readonly path: string; answer: Uint8Array } | undefined;

/** A peer that answers everything with the bytes of the moment and ends: what a hostile SOCKS port could say. */
async function socksPeer(answer: Uint8Array): Promise<string> {
  if (socks === undefined) {
    const peer = { path: join(folder, 'socks'), answer };
    const server: Server = createServer(socket => {
      socket.on('error', () => undefined).resume();
      socket.end(peer.answer);
    });
    await new Promise<void>(resolve => server.listen(peer.path, resolve));
    server.unref();
    socks = peer;
  }
  socks.answer = answer;
  return socks.path;
}

const SOCKS: Target = {
  name: 'publisher/socks',
  area: 'socks',
  codes: SOCKS_ERROR_CODES.filter(code => code !== 'SOCKS_TIMEOUT' && code !== 'SOCKS_ARGUMENT'),
  shapes: ['bytes'],
  cost: 10,
  seeds: () => [
    Uint8Array.of(5, 2, 1, 0, 5, 0, 0, 1, 127, 0, 0, 1, 0, 80),
    Uint8Array.of(5, 2, 1, 0, 5, 0, 0, 3, 3, 1, 2, 3, 0, 80, 65, 66),
    Uint8Array.of(5, 2, 1, 0, 5, 0xf2, 0, 1, 0, 0, 0, 0, 0, 0),
  ],
  run: async input => {
    const proxy = { path: await socksPeer(input) };
    const socket = await connectThroughSocks({ proxy, host: 'x.onion', port: 80, isolation: 'i' });
    socket.destroy();
  },
};

export const PUBLISHER: readonly Target[] = [...control, ...network, ...answers, ...files, SOCKS];
