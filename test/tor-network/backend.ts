import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { writeOnionKeyFiles } from './onion-key-files.ts';
import { TorNode, type TorNodeSettings } from './tor-node.ts';
import { backendLines } from './torrc.ts';
import { UploadTracker } from './upload-tracker.ts';

/** An onion service with a web server behind it that answers every request with the backend's name. */
export class Backend extends TorNode {
  /** 56 characters and `.onion`; known before tor starts. */
  readonly address: string;
  readonly hiddenServiceDirectory: string;
  readonly #server: Server;
  readonly #uploads = new UploadTracker();
  #isInstance = false;

  private constructor(settings: TorNodeSettings, address: string, serviceDirectory: string, server: Server) {
    super({
      ...settings,
      torrc: () => [
        ...settings.torrc(),
        ...backendLines(serviceDirectory, (server.address() as AddressInfo).port, this.#isInstance),
      ],
    });
    this.address = address;
    this.hiddenServiceDirectory = serviceDirectory;
    this.#server = server;
  }

  /** Makes key and web server; `settings` lack only the lines of the service. Tor starts with `start`. */
  static async prepare(settings: TorNodeSettings): Promise<Backend> {
    const serviceDirectory = join(settings.dataDirectory, 'service');
    const address = await writeOnionKeyFiles(serviceDirectory);
    const server = createServer((_, response) => {
      response.end(settings.name);
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    return new Backend(settings, address, serviceDirectory, server);
  }

  /** Makes it an instance of a master address (writes ob_config); tor takes that in at its next start. */
  async setMaster(address: string): Promise<void> {
    const full = address.endsWith('.onion') ? address : `${address}.onion`;
    await writeFile(join(this.hiddenServiceDirectory, 'ob_config'), `MasterOnionAddress ${full}\n`);
    this.#isInstance = true;
  }

  /** Starts tor; its descriptors follow, see `published`. */
  override async start(options: { offline?: boolean } = {}): Promise<void> {
    this.#uploads.reset();
    await super.start(options);
    this.control.on('HS_DESC', event => this.#uploads.take(event));
    this.control.on('close', reason => this.#uploads.fail(reason));
  }

  /** Waits until both descriptors are stored at every directory that tor has chosen since its start. */
  async published(): Promise<void> {
    if (!this.running) throw new Error(`${this.name} does not run, so it publishes nothing.`);
    await this.#uploads.published();
  }

  /** Ends tor and web server for good. */
  async close(): Promise<void> {
    await this.stop();
    this.#server.closeAllConnections();
    this.#server.close();
  }
}
