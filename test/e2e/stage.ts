import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createSoftHsm, type SoftHsm } from '../softhsm/create-softhsm.ts';
import { startTorNetwork, type TorNetwork, type TorNetworkOptions } from '../tor-network/tor-network.ts';
import { backendAddress } from './daemon/backends.ts';
import { type CommandResult, type LogLine, ManagedProcess, runCommand } from './managed-process.ts';

export interface StageOptions {
  /** An empty folder that this stage fills; the caller removes it. */
  readonly folder: string;
  readonly backends?: number;
  readonly network?: Partial<TorNetworkOptions>;
  /** 96 bytes of hs_ed25519_secret_key to be imported; a new identity when not given. */
  readonly identity?: Uint8Array;
  /** Of the policy of the one service. */
  readonly limits?: string;
  /** Further lines of signer.yaml. */
  readonly signerLines?: readonly string[];
  /** Services of other publishers, whose backends the caller plays. */
  readonly neighbours?: readonly Neighbour[];
  /** Called with each step's name when it begins. */
  readonly step?: (name: string) => void;
}

/** Another service of the same signer; see `backendAddress` for the labels of its backends. */
export interface Neighbour {
  readonly service: string;
  readonly publisher: string;
  readonly backends: readonly string[];
  /** What stands in the braces of `limits`. */
  readonly limits: string;
}

const SERVICE = 'frontpage';
const PUBLISHER = 'vps1';

/** The whole product on real parts: token, signer, publisher and a private Tor network, as separate processes. */
export class Stage {
  readonly folder: string;
  readonly service = SERVICE;
  readonly network: TorNetwork;
  readonly hsm: SoftHsm;
  /** The master address, 62 characters. */
  readonly address: string;
  readonly #limits: string;
  #served: readonly string[] = [PUBLISHER];
  readonly #signers: ManagedProcess[] = [];
  readonly #publishers: ManagedProcess[] = [];

  constructor(
    folder: string,
    network: TorNetwork,
    hsm: SoftHsm,
    address: string,
    limits = 'requests: 2000/h',
  ) {
    this.#limits = limits;
    this.folder = folder;
    this.network = network;
    this.hsm = hsm;
    this.address = address;
  }

  get signerFolder(): string {
    return join(this.folder, 'signer');
  }

  get publisherFolder(): string {
    return join(this.folder, 'publisher');
  }

  /** The publisher's record of every uploaded text. */
  get recordFolder(): string {
    return join(this.publisherFolder, 'uploaded');
  }

  get socket(): string {
    return this.socketOf(PUBLISHER);
  }

  socketOf(publisher: string): string {
    return join(this.signerFolder, 'run', `${publisher}.sock`);
  }

  /** The running signer's core. */
  get signer(): ManagedProcess {
    return last(this.#signers);
  }

  get publisher(): ManagedProcess {
    return last(this.#publishers);
  }

  /** Runs one `onion-signer` command with this stage's configuration. */
  async onionSigner(...args: string[]): Promise<CommandResult> {
    return await runCommand('onion-signer', ['--config', join(this.signerFolder, 'signer.yaml'), ...args], {
      env: this.hsm.env,
    });
  }

  async onionPublisher(...args: string[]): Promise<CommandResult> {
    return await runCommand('onion-publisher', [
      '--config',
      join(this.publisherFolder, 'publisher.yaml'),
      ...args,
    ]);
  }

  /** Starts the signer and waits until it can sign. */
  async startSigner(): Promise<void> {
    const args = ['--config', join(this.signerFolder, 'signer.yaml'), 'serve'];
    this.#signers.push(new ManagedProcess('onion-signer', args, this.hsm.env));
    await this.signer.waitFor('readiness', line => line.msg === 'ready');
  }

  startPublisher(): void {
    const args = ['--config', join(this.publisherFolder, 'publisher.yaml'), 'run'];
    this.#publishers.push(new ManagedProcess('onion-publisher', args));
  }

  /** Waits until every responsible directory stores one text for both periods, counted from log line `from` on. */
  async published(from = 0): Promise<void> {
    await this.publisher.waitFor('a text stored for two periods', twoPeriodsStored(), from);
  }

  /** Whom the next `applyPolicy` gives the service to. */
  servePublishers(...publishers: string[]): void {
    this.#served = publishers;
  }

  /** Writes the policy with these backends and further lines, and puts it in force. Gives what the command said. */
  async applyPolicy(backends = this.network.backends, more: readonly string[] = []): Promise<string> {
    const lines = [
      `service: ${SERVICE}`,
      `address: ${this.address}`,
      `publishers: [${this.#served.join(', ')}]`,
      'backends:',
      ...backends.map(({ name, address }) => `  ${name}: ${withSuffix(address)}`),
      `limits: { ${this.#limits} }`,
      ...more,
      '',
    ];
    await writeFile(join(this.signerFolder, 'policies', `${SERVICE}.yaml`), lines.join('\n'));
    return expectSuccess('policy apply', await this.onionSigner('policy', 'apply', '--yes'));
  }

  /** Ends everything that was started, in any state. */
  async stop(): Promise<void> {
    await Promise.allSettled(this.#publishers.map(each => each.stop()));
    await Promise.allSettled(this.#signers.map(each => each.stop()));
    await Promise.allSettled([this.network.stop(), this.hsm.dispose()]);
  }
}

/** Builds the stage up to the first published descriptors. What fails on the way is ended before it throws. */
export async function buildStage(options: StageOptions): Promise<Stage> {
  const { folder, backends = 3, step = () => undefined } = options;
  step('start a private Tor network of stock tor');
  const starting = startTorNetwork({ ...options.network, folder, backends, holdBackends: true });
  starting.catch(() => undefined); // awaited below, after the token is ready
  step('make a token and an identity that only the token can open');
  const hsm = await createSoftHsm();
  let stage: Stage | undefined;
  try {
    const address = await makeIdentity(folder, hsm, options);
    const network = await starting;
    stage = new Stage(folder, network, hsm, address, options.limits);
    step('make the backends instances of the master address');
    await network.setMaster(address);
    await stage.applyPolicy();
    step('start the signer; it opens the token and certifies the coming periods');
    await stage.startSigner();
    // Otherwise the first text may lack a backend, and a client keeps the text that it has.
    await network.waitBackendsPublished();
    step('start the publisher; it reads the backends, asks the signer and uploads');
    await writePublisherConfig(stage);
    stage.startPublisher();
    await stage.published();
    return stage;
  } catch (error) {
    if (stage !== undefined) await stage.stop();
    else await Promise.allSettled([starting.then(network => network.stop()), hsm.dispose()]);
    throw error;
  }
}

async function makeIdentity(
  folder: string,
  hsm: SoftHsm,
  { identity, network, signerLines = [], neighbours = [] }: StageOptions,
): Promise<string> {
  const home = join(folder, 'signer');
  await mkdir(home, { recursive: true });
  const config = join(home, 'signer.yaml');
  const interval = network?.votingIntervalSeconds ?? 10;
  await hsm.makeKey();
  await writeFile(
    config,
    [
      `tokens: ["${hsm.uri}"]`,
      `pin: ${hsm.pinSource}`,
      `publishers: { ${[PUBLISHER, ...new Set(neighbours.map(each => each.publisher))].map(name => `${name}: unix`).join(', ')} }`,
      `state: ${join(home, 'state')}`,
      `run: ${join(home, 'run')}`,
      `network: { name: private, voting_interval: ${interval}s }`,
      ...signerLines,
      '',
    ].join('\n'),
  );
  const run = async (...args: string[]): Promise<string> =>
    expectSuccess(
      args.join(' '),
      await runCommand('onion-signer', ['--config', config, ...args], { env: hsm.env }),
    );
  await run('init');
  for (const neighbour of neighbours) {
    const address = await run('key', 'new', neighbour.service, '--single-custodian');
    await writeNeighbour(home, neighbour, address.trim());
  }
  if (identity === undefined) return (await run('key', 'new', SERVICE, '--single-custodian')).trim();
  const file = join(home, 'to-be-imported');
  await writeFile(file, identity, { mode: 0o600 });
  const address = await run('key', 'import', SERVICE, file, '--single-custodian');
  await writeFile(file, new Uint8Array(identity.length));
  return address.trim();
}

async function writeNeighbour(home: string, neighbour: Neighbour, address: string): Promise<void> {
  const { service, publisher, backends, limits } = neighbour;
  const lines = [
    `service: ${service}`,
    `address: ${address}`,
    `publishers: [${publisher}]`,
    'backends:',
    ...backends.map(label => `  ${label}: ${backendAddress(label)}`),
    `limits: { ${limits} }`,
    '',
  ];
  await writeFile(join(home, 'policies', `${service}.yaml`), lines.join('\n'));
}

async function writePublisherConfig(stage: Stage): Promise<void> {
  const { publisher: tor } = stage.network;
  await mkdir(stage.publisherFolder, { recursive: true });
  await writeFile(
    join(stage.publisherFolder, 'publisher.yaml'),
    [
      `signers: ["unix:${stage.socket}"]`,
      'tor:',
      `  control: "127.0.0.1:${tor.controlPort}"`,
      `  socks: "127.0.0.1:${tor.socksPort}"`,
      `state: ${join(stage.publisherFolder, 'state')}`,
      `record: ${stage.recordFolder}`,
      'probe: { timeout: 5s, interval: 3s }',
      '',
    ].join('\n'),
  );
}

/** True at the line with which every directory of a second period has its text. */
function twoPeriodsStored(): (line: LogLine) => boolean {
  const open = new Map<unknown, number>();
  const complete = new Set<unknown>();
  return line => {
    const period = line['periodNum'];
    if (line.msg === 'serving another text') open.set(period, Number(line['count']));
    if (line.msg === 'an upload ended' && line['result'] === 'uploaded') {
      const left = (open.get(period) ?? 0) - 1;
      open.set(period, left);
      if (left === 0) complete.add(period);
    }
    return complete.size >= 2;
  };
}

export function expectSuccess(what: string, { code, stdout, stderr }: CommandResult): string {
  if (code !== 0) throw new Error(`${what} ended with ${code}: ${stderr}${stdout}`);
  return stdout;
}

const withSuffix = (address: string): string => (address.endsWith('.onion') ? address : `${address}.onion`);

function last<T>(items: readonly T[]): T {
  const item = items.at(-1);
  if (item === undefined) throw new Error('it was never started');
  return item;
}
