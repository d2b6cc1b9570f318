/** Starts one tor without a network in the folder given as argument, prints its process id and waits to be ended: the test looks at what remains. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PortReservation } from './free-ports.ts';
import { TorNode } from './tor-node.ts';

const [, , folder = ''] = process.argv;
const ports = new PortReservation();
const node = { name: 'lone', dataDirectory: join(folder, 'lone'), emptyFile: join(folder, 'empty') };
const controlPort = await ports.take();
await writeFile(node.emptyFile, '');
const tor = new TorNode({
  ...node,
  controlPort,
  torrc: () => [
    `DataDirectory "${node.dataDirectory}"`,
    `ControlPort 127.0.0.1:${controlPort}`,
    'CookieAuthentication 1',
    'SocksPort 0',
    'DisableNetwork 1',
    'Log notice stdout',
  ],
  releasePorts: async () => ports.release(),
  log: () => undefined,
});
await tor.start();
process.stdout.write(`${tor.pid}\n`);
