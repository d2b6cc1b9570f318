import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ControlPort } from '../../src/publisher/control/commands.ts';
import { PortReservation } from '../tor-network/free-ports.ts';
import { TorNode } from '../tor-network/tor-node.ts';

const ADDRESS = 'pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion';
const FINGERPRINT = '0123456789abcdef0123456789abcdef01234567';
const code = (value: string) => expect.objectContaining({ code: value }) as Error;

/** The space and the umlaut come back from PROTOCOLINFO quoted and escaped. */
let folder = '';
let tor: TorNode;
let socketPath = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tör control '));
  socketPath = join(folder, 'data', 'control.sock');
  const emptyFile = join(folder, 'empty');
  await writeFile(emptyFile, '');
  const ports = new PortReservation();
  const controlPort = await ports.take();
  const dataDirectory = join(folder, 'data');
  tor = new TorNode({
    name: 'tor',
    dataDirectory,
    controlPort,
    emptyFile,
    log: () => undefined,
    releasePorts: async () => ports.release(),
    torrc: () => [
      `DataDirectory "${dataDirectory}"`,
      `ControlPort 127.0.0.1:${controlPort}`,
      `ControlPort unix:"${socketPath}"`,
      `__OwningControllerProcess ${process.pid}`,
      'CookieAuthentication 1',
      'SocksPort 0',
      'DisableNetwork 1',
      'Log notice stdout',
    ],
  });
  await tor.start();
});

afterAll(async () => {
  await tor.stop();
  await rm(folder, { recursive: true });
});

describe('With a stock tor', () => {
  it.each(['TCP', 'a Unix socket'])(
    'we authenticate by SAFECOOKIE over %s, at the path that tor names.',
    async over => {
      const endpoint = over === 'TCP' ? { host: '127.0.0.1', port: tor.controlPort } : { path: socketPath };
      const control = await ControlPort.open(endpoint);
      expect(control.protocolInfo.methods).toContain('SAFECOOKIE');
      expect(control.protocolInfo.cookieFile).toBe(tor.cookiePath);
      const { version } = await control.getInfo(['version']);
      expect(version).toContain(control.protocolInfo.torVersion);
      control.close();
    },
  );

  it('another cookie is noticed before anything is proven.', async () => {
    const cookiePath = join(folder, 'other-cookie');
    await writeFile(cookiePath, Buffer.alloc(32));
    await expect(ControlPort.open({ path: socketPath }, { cookiePath })).rejects.toThrow(
      code('CONTROL_AUTH_SERVER_HASH'),
    );
  });

  it('GETINFO returns several values, a document, and 552 for an unknown key.', async () => {
    const control = await ControlPort.open({ path: socketPath });
    const info = await control.getInfo(['process/pid', 'config/names', 'status/bootstrap-phase']);
    expect(Number(info['process/pid'])).toBe(tor.pid);
    expect(info['config/names'].split('\n')).toContain('SocksPort Dependent');
    expect(info['config/names'].endsWith('\n')).toBe(true);
    await expect(control.getInfo(['no/such/key'])).rejects.toMatchObject({
      code: 'CONTROL_REPLY',
      replyStatus: 552,
    });
    control.close();
  });

  it('events come after SETEVENTS.', async () => {
    const control = await ControlPort.open({ path: socketPath });
    await control.setEvents(['SIGNAL', 'HS_DESC', 'HS_DESC_CONTENT', 'STATUS_CLIENT', 'NEWCONSENSUS']);
    const heard = control.waitFor('SIGNAL');
    await control.signal('ACTIVE');
    expect(await heard).toEqual({ type: 'SIGNAL', signal: 'ACTIVE' });
    control.close();
  });

  it('HSFETCH and HSPOST are understood: unknown directories are 552.', async () => {
    const control = await ControlPort.open({ path: socketPath });
    const unknown = { code: 'CONTROL_REPLY', replyStatus: 552 };
    await expect(control.hsFetch(ADDRESS, [FINGERPRINT])).rejects.toMatchObject(unknown);
    await expect(control.hsPost('hs-descriptor 3\n.\n', [FINGERPRINT], ADDRESS)).rejects.toMatchObject(
      unknown,
    );
    await expect(control.getInfo(['version'])).resolves.toBeDefined();
    control.close();
  });

  it('its end closes the control port and rejects what waits.', async () => {
    const control = await ControlPort.open({ path: socketPath });
    const waiting = control.waitFor('HS_DESC');
    await tor.kill();
    await expect(waiting).rejects.toThrow(code('CONTROL_CLOSED'));
    await expect(ControlPort.open({ path: socketPath })).rejects.toThrow(code('CONTROL_CONNECT'));
    await tor.start();
    (await ControlPort.open({ path: socketPath })).close();
  });
});
