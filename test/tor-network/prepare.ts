import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Backend } from './backend.ts';
import { makeAuthorityKeys } from './ceremony.ts';
import { PortReservation } from './free-ports.ts';
import { ClientTor, TorNode, type TorNodeSettings } from './tor-node.ts';
import {
  type Authority,
  authorityLines,
  clientLines,
  commonLines,
  type NetworkSettings,
  relayLines,
} from './torrc.ts';

export interface NetworkShape {
  readonly votingIntervalSeconds: number;
  readonly consensusParams: Readonly<Record<string, number>>;
  readonly relays: number;
  readonly backends: number;
  log(this: void, line: string): void;
}

export interface NetworkNodes {
  readonly authorities: readonly TorNode[];
  readonly relays: readonly TorNode[];
  readonly client: ClientTor;
  readonly publisher: ClientTor;
  readonly backends: readonly Backend[];
  readonly ports: PortReservation;
}

/** Keys, ports and configuration of a whole network below `folder`, which is emptied first. No tor runs yet. */
export async function prepareNodes(folder: string, shape: NetworkShape): Promise<NetworkNodes> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const emptyFile = join(folder, 'empty');
  await writeFile(emptyFile, '');
  const ports = new PortReservation();
  try {
    return await prepareWith(folder, emptyFile, ports, shape);
  } catch (error) {
    await ports.release();
    throw error;
  }
}

async function prepareWith(
  folder: string,
  emptyFile: string,
  ports: PortReservation,
  shape: NetworkShape,
): Promise<NetworkNodes> {
  const authorities = await Promise.all(
    names('authority', 3).map(name => makeAuthority(name, folder, emptyFile, ports)),
  );
  shape.log('network: keys are made');
  const settingsFor = nodeSettings(folder, emptyFile, { ...shape, authorities }, ports, shape.log);
  return {
    ports,
    authorities: await Promise.all(
      authorities.map(async self => {
        const lines = (network: NetworkSettings) => authorityLines(network, self);
        return new TorNode(await settingsFor(self.name, [self.orPort, self.dirPort], lines));
      }),
    ),
    relays: await Promise.all(
      names('relay', shape.relays).map(async name => {
        const orPort = await ports.take();
        return new TorNode(await settingsFor(name, [orPort], () => relayLines(orPort)));
      }),
    ),
    client: await makeClient('client'),
    publisher: await makeClient('publisher'),
    backends: await Promise.all(
      names('backend', shape.backends).map(async name =>
        Backend.prepare(await settingsFor(name, [], () => ['SocksPort 0'])),
      ),
    ),
  };

  async function makeClient(name: string): Promise<ClientTor> {
    const socksPort = await ports.take();
    return new ClientTor(await settingsFor(name, [socksPort], () => clientLines(socksPort)), socksPort);
  }
}

async function makeAuthority(
  name: string,
  folder: string,
  emptyFile: string,
  ports: PortReservation,
): Promise<Authority> {
  const keys = await makeAuthorityKeys(name, join(folder, name), emptyFile);
  return { ...keys, orPort: await ports.take(), dirPort: await ports.take() };
}

function nodeSettings(
  folder: string,
  emptyFile: string,
  network: NetworkSettings,
  ports: PortReservation,
  log: (line: string) => void,
) {
  return async (
    name: string,
    ownPorts: readonly number[],
    ownLines: (network: NetworkSettings) => readonly string[],
  ): Promise<TorNodeSettings> => {
    const node = { name, emptyFile, dataDirectory: join(folder, name), controlPort: await ports.take() };
    return {
      ...node,
      log,
      torrc: () => [...commonLines(network, node), ...ownLines(network)],
      releasePorts: async () => ports.release([node.controlPort, ...ownPorts]),
    };
  };
}

function names(kind: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${kind}${index + 1}`);
}
