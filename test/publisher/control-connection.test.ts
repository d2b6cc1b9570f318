import { createHmac, randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ControlPort } from '../../src/publisher/control/commands.ts';
import { ControlConnection } from '../../src/publisher/control/connection.ts';
import { ScriptedPeer } from './scripted-peer.ts';

const ADDRESS = `${'b'.repeat(55)}d`;
const FINGERPRINT = '0123456789abcdef0123456789abcdef01234567';
const code = (value: string) => expect.objectContaining({ code: value }) as Error;

let peer: ScriptedPeer | undefined;
let connection: ControlConnection | undefined;

afterEach(() => {
  connection?.close();
  peer?.close();
});

async function connectTo(answer: Parameters<typeof ScriptedPeer.listenLines>[0], options = {}) {
  peer = await ScriptedPeer.listenLines(answer);
  connection = await ControlConnection.connect(peer.endpoint, options);
  return connection;
}

describe('A control connection', () => {
  it('sends the next command only after the reply to the one before, and keeps the order.', async () => {
    const waiting: { lines: string[]; answer: () => void } = { lines: [], answer: () => undefined };
    const control = await connectTo((line, socket) => {
      waiting.lines.push(line);
      waiting.answer = () => socket.write(`250 ${line}\r\n`);
      return '650 SIGNAL NEWNYM\r\n';
    });
    const arrived = () => new Promise(resolve => control.once('event', resolve));
    const first = arrived();
    const replies = Promise.all(['A', 'B', 'C'].map(each => control.send(each)));
    await first;
    expect(waiting.lines).toEqual(['A']);
    for (const expected of [
      ['A', 'B'],
      ['A', 'B', 'C'],
    ]) {
      const next = arrived();
      waiting.answer();
      await next;
      expect(waiting.lines).toEqual(expected);
    }
    waiting.answer();
    expect((await replies).map(({ lines }) => lines[0]?.text)).toEqual(['A', 'B', 'C']);
  });

  it('throws CONTROL_REPLY with the status, keeps its words out of the message, and goes on.', async () => {
    const control = await connectTo(line => (line === 'BAD' ? '552 No "secret"\r\n' : '250 OK\r\n'));
    const refused = await control.send('BAD').catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'CONTROL_REPLY', replyStatus: 552, reply: 'No "secret"' });
    expect(JSON.stringify(refused) + String(refused)).not.toContain('secret');
    await expect(control.send('GOOD')).resolves.toMatchObject({ status: 250 });
  });

  it('rejects all pending commands and says so when tor goes away.', async () => {
    const control = await connectTo((_, socket) => {
      socket.destroy();
      return '';
    });
    const closed = new Promise(resolve => control.once('close', resolve));
    const results = await Promise.allSettled([control.send('A'), control.send('B')]);
    for (const result of results) expect(result).toMatchObject({ reason: code('CONTROL_CLOSED') });
    expect(await closed).toMatchObject({ code: 'CONTROL_CLOSED' });
    await expect(control.send('C')).rejects.toThrow(code('CONTROL_CLOSED'));
  });

  it('ends when a command is not answered in time, since later replies could not be told apart.', async () => {
    const control = await connectTo(() => '', { commandTimeoutMs: 20 });
    const results = await Promise.allSettled([control.send('A'), control.send('B')]);
    expect(results[0]).toMatchObject({ reason: code('CONTROL_TIMEOUT') });
    expect(results[1]).toMatchObject({ status: 'rejected' });
    expect(control.closed).toMatchObject({ code: 'CONTROL_TIMEOUT' });
  });

  it.each([
    ['what is no reply', 'HTTP/1.1 400 Bad Request\r\n', 'CONTROL_SYNTAX'],
    ['a second reply to one command', '250 OK\r\n250 OK\r\n', 'CONTROL_SYNTAX'],
    ['a line beyond the bound', `250 ${'x'.repeat(200)}\r\n`, 'CONTROL_TOO_LONG'],
    ['a reply beyond the bound', `${'250-x\r\n'.repeat(200)}250 OK\r\n`, 'CONTROL_TOO_LONG'],
  ])('ends on %s.', async (_, answer, expected) => {
    const control = await connectTo(() => answer, { maxLineBytes: 100, maxReplyBytes: 1000 });
    const closed = new Promise(resolve => control.once('close', resolve));
    await control.send('A').catch(() => undefined);
    expect(await closed).toMatchObject({ code: expected });
  });

  it('throws CONTROL_CONNECT where nobody listens.', async () => {
    peer = await ScriptedPeer.listenLines(() => '');
    const { endpoint } = peer;
    peer.close();
    await expect(ControlConnection.connect(endpoint)).rejects.toThrow(code('CONTROL_CONNECT'));
    await expect(ControlConnection.connect({ path: '/nonexistent/control' })).rejects.toThrow(
      code('CONTROL_CONNECT'),
    );
  });
});

describe('Authentication', () => {
  const cookie = randomBytes(32);
  let folder = '';
  let cookiePath = '';
  let seen: string[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'control-'));
    cookiePath = join(folder, 'cookie');
    await writeFile(cookiePath, cookie);
    await writeFile(join(folder, 'long'), Buffer.concat([cookie, cookie]));
    await writeFile(join(folder, 'short'), cookie.subarray(1));
  });
  afterAll(async () => rm(folder, { recursive: true }));

  /** A peer that knows `known` as its cookie. */
  async function torWith(methods: string, known: Buffer, path = cookiePath): Promise<ScriptedPeer> {
    seen = [];
    const nonce = randomBytes(32);
    peer = await ScriptedPeer.listenLines(line => {
      seen.push(line);
      const [command, , argument = ''] = line.split(' ');
      if (command === 'PROTOCOLINFO') {
        return `250-PROTOCOLINFO 1\r\n250-AUTH METHODS=${methods} COOKIEFILE="${path}"\r\n250-VERSION Tor="0.4.9.11"\r\n250 OK\r\n`;
      }
      if (command !== 'AUTHCHALLENGE') return '250 OK\r\n';
      const hash = createHmac('sha256', 'Tor safe cookie authentication server-to-controller hash')
        .update(Buffer.concat([known, Buffer.from(argument, 'hex'), nonce]))
        .digest('hex');
      return `250 AUTHCHALLENGE SERVERHASH=${hash} SERVERNONCE=${nonce.toString('hex')}\r\n`;
    });
    return peer;
  }

  it('uses SAFECOOKIE where tor offers it, and never sends the cookie then.', async () => {
    const { endpoint } = await torWith('COOKIE,SAFECOOKIE,HASHEDPASSWORD', cookie);
    const control = await ControlPort.open(endpoint);
    expect(control.protocolInfo).toMatchObject({ torVersion: '0.4.9.11', cookieFile: cookiePath });
    expect(seen.join()).not.toContain(cookie.toString('hex'));
    control.close();
  });

  it('stops before it proves anything when the peer does not know the cookie.', async () => {
    const { endpoint } = await torWith('COOKIE,SAFECOOKIE', randomBytes(32));
    await expect(ControlPort.open(endpoint, { cookiePath })).rejects.toThrow(
      code('CONTROL_AUTH_SERVER_HASH'),
    );
    expect(seen.filter(line => line.startsWith('AUTHENTICATE'))).toEqual([]);
  });

  it('uses plain COOKIE only with a path that the operator named.', async () => {
    const { endpoint } = await torWith('COOKIE', cookie);
    await expect(ControlPort.open(endpoint)).rejects.toThrow(code('CONTROL_AUTH_METHOD'));
    expect(seen).toHaveLength(1);
    (await ControlPort.open(endpoint, { cookiePath })).close();
    expect(seen.at(-1)).toBe(`AUTHENTICATE ${cookie.toString('hex')}`);
  });

  it.each(['HASHEDPASSWORD', 'NULL'])('refuses %s.', async methods => {
    const { endpoint } = await torWith(methods, cookie);
    await expect(ControlPort.open(endpoint, { cookiePath })).rejects.toThrow(code('CONTROL_AUTH_METHOD'));
  });

  it.each(['long', 'short', 'missing', '.'])(
    'takes a cookie file of exactly 32 bytes, not %j.',
    async name => {
      const { endpoint } = await torWith('SAFECOOKIE', cookie);
      const wrong = ControlPort.open(endpoint, { cookiePath: join(folder, name) });
      await expect(wrong).rejects.toThrow(code('CONTROL_AUTH_COOKIE'));
      (await ControlPort.open(endpoint, { cookiePath })).close();
    },
  );
});

describe('Commands', () => {
  let lines: string[] = [];

  async function open(answers: Readonly<Record<string, string>> = {}): Promise<ControlPort> {
    const folder = await mkdtemp(join(tmpdir(), 'control-'));
    const cookiePath = join(folder, 'cookie');
    await writeFile(cookiePath, randomBytes(32));
    lines = [];
    let inData = false;
    peer = await ScriptedPeer.listenLines(line => {
      lines.push(line);
      inData = line === '.' ? false : inData || line.startsWith('+');
      if (inData) return '';
      return line.startsWith('PROTOCOLINFO')
        ? '250-AUTH METHODS=COOKIE\r\n250 OK\r\n'
        : (answers[line] ?? '250 OK\r\n');
    });
    const control = await ControlPort.open(peer.endpoint, { cookiePath });
    connection = control.connection;
    await rm(folder, { recursive: true });
    return control;
  }

  it('HSPOST names its directories and the address, and stuffs dots.', async () => {
    const control = await open();
    await control.hsPost('hs-descriptor 3\n.x\n', [FINGERPRINT], `${ADDRESS}.onion`);
    expect(lines.slice(-4)).toEqual([
      `+HSPOST SERVER=${FINGERPRINT.toUpperCase()} HSADDRESS=${ADDRESS}`,
      'hs-descriptor 3',
      '..x',
      '.',
    ]);
  });

  it('HSPOST refuses to leave the directories to tor, and arguments with anything else in them.', async () => {
    const control = await open();
    const sent = lines.length;
    await expect(control.hsPost('x\n', [], ADDRESS)).rejects.toThrow(code('CONTROL_ARGUMENT'));
    await expect(control.hsPost('x\n', ['relay1'], ADDRESS)).rejects.toThrow(code('CONTROL_ARGUMENT'));
    await expect(control.hsPost('x\n', [FINGERPRINT], `${ADDRESS} X=1`)).rejects.toThrow(
      code('CONTROL_ARGUMENT'),
    );
    await expect(control.hsFetch('short')).rejects.toThrow(code('CONTROL_ARGUMENT'));
    await expect(control.hsFetch(ADDRESS, [`${FINGERPRINT}\r\nX`])).rejects.toThrow(code('CONTROL_ARGUMENT'));
    expect(lines).toHaveLength(sent);
    await control.hsFetch(ADDRESS, [FINGERPRINT]);
    expect(lines.at(-1)).toBe(`HSFETCH ${ADDRESS} SERVER=${FINGERPRINT.toUpperCase()}`);
  });

  it('GETINFO must answer every key.', async () => {
    const control = await open({
      'GETINFO a b': '250-a=1=1\r\n250+b=\r\nx\r\n.\r\n250 OK\r\n',
      'GETINFO a c': '250-a=1\r\n250 OK\r\n',
    });
    expect(await control.getInfo(['a', 'b'])).toEqual({ a: '1=1', b: 'x\n' });
    await expect(control.getInfo(['a', 'c'])).rejects.toThrow(code('CONTROL_SYNTAX'));
  });

  it('events reach listeners and waiters; a waiter takes only what it accepts.', async () => {
    const control = await open({ 'SIGNAL NEWNYM': '650 SIGNAL RELOAD\r\n650 SIGNAL NEWNYM\r\n250 OK\r\n' });
    const heard: string[] = [];
    control.on('SIGNAL', event => heard.push(event.signal));
    const done = control.waitFor('SIGNAL', event => event.signal === 'NEWNYM');
    await control.signal('NEWNYM');
    expect(await done).toEqual({ type: 'SIGNAL', signal: 'NEWNYM' });
    expect(heard).toEqual(['RELOAD', 'NEWNYM']);
    expect(control.listenerCount('SIGNAL')).toBe(1);
  });

  it('a waiter ends by time, by abort and by the end of the connection, and leaves no listener.', async () => {
    const control = await open();
    const abort = new AbortController();
    const late = control.waitFor('HS_DESC', undefined, { timeoutMs: 5 });
    const aborted = control.waitFor('HS_DESC', undefined, { signal: abort.signal });
    const cut = control.waitFor('HS_DESC');
    await expect(late).rejects.toThrow(code('CONTROL_TIMEOUT'));
    abort.abort(new Error('enough'));
    await expect(aborted).rejects.toThrow('enough');
    control.close();
    await expect(cut).rejects.toThrow(code('CONTROL_CLOSED'));
    expect(control.listenerCount('HS_DESC') + control.listenerCount('close')).toBe(0);
  });

  it('a waiter that nobody awaits any more does not end the process.', async () => {
    const control = await open();
    const rejections: unknown[] = [];
    const note = (reason: unknown) => rejections.push(reason);
    process.on('unhandledRejection', note);
    void control.waitFor('HS_DESC');
    const closed = new Promise(resolve => control.once('close', resolve));
    control.close();
    await closed;
    await new Promise(resolve => setImmediate(resolve));
    process.off('unhandledRejection', note);
    expect(rejections).toEqual([]);
  });

  it('an event that lacks its parts ends the connection.', async () => {
    const control = await open({ 'SIGNAL ACTIVE': '650 HS_DESC UPLOADED x\r\n' });
    await expect(control.signal('ACTIVE')).rejects.toThrow(code('CONTROL_SYNTAX'));
  });
});
