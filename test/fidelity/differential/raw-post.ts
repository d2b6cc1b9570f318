import { readFile } from 'node:fs/promises';
import { type Socket, connect } from 'node:net';
import type { Bytes } from '../../../src/descriptor/index.ts';
import type { TorNode } from '../../tor-network/tor-node.ts';

/**
 * A second control connection that posts any bytes: the publisher's own connection refuses to send what is no text.
 * Commands may be sent before the one before is answered; tor answers in order.
 */
export class RawPost {
  readonly #socket: Socket;
  readonly #waiting: ((status: number) => void)[] = [];
  #fail: (error: Error) => void = () => undefined;
  /** Rejects when the connection ends. */
  readonly #ended: Promise<never>;
  #partial = '';

  private constructor(socket: Socket) {
    this.#socket = socket;
    const { promise, reject } = Promise.withResolvers<never>();
    promise.catch(() => undefined);
    this.#ended = promise;
    this.#fail = reject;
    socket.setEncoding('latin1').on('data', (chunk: Buffer | string) => this.#receive(chunk.toString()));
    socket.on('error', reject).on('close', () => this.#fail(new Error('tor closed the control connection')));
  }

  static async open(node: TorNode): Promise<RawPost> {
    const post = new RawPost(connect(node.controlPort, '127.0.0.1'));
    const status = await post.#send(`AUTHENTICATE ${(await readFile(node.cookiePath)).toString('hex')}\r\n`);
    if (status !== 250) throw new Error(`tor does not let us in: ${status}`);
    return post;
  }

  /** HSPOST; tor's status: 250 when it reads the text as a descriptor, 554 when it does not. */
  async post(text: Bytes, server: string, address: string): Promise<number> {
    const lines = Buffer.from(text).toString('latin1').replace(/\n$/u, '').split('\n');
    const data = lines.map(line => `${line.startsWith('.') ? '.' : ''}${line}\r\n`).join('');
    return await this.#send(`+HSPOST SERVER=${server} HSADDRESS=${address}\r\n${data}.\r\n`);
  }

  close(): void {
    this.#socket.destroy();
  }

  async #send(command: string): Promise<number> {
    const { promise, resolve } = Promise.withResolvers<number>();
    this.#waiting.push(resolve);
    this.#socket.write(Buffer.from(command, 'latin1'));
    return await Promise.race([promise, this.#ended]);
  }

  #receive(chunk: string): void {
    const lines = `${this.#partial}${chunk}`.split('\r\n');
    this.#partial = lines.pop() ?? '';
    for (const line of lines) {
      // The last line of a reply has a space behind its status.
      if (/^\d{3} /u.test(line)) this.#waiting.shift()?.(Number(line.slice(0, 3)));
    }
  }
}
