import { chmodSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { FrameReader } from '../../src/pkcs11/frames.ts';
import {
  ANSWER_BIT,
  KEYHOLDER_FRAME,
  parseSign,
  parseSigned,
  type SignedDescriptor,
} from '../../src/pkcs11/keyholder-messages.ts';
import { toHex } from '../../src/descriptor/index.ts';
import { MAX_ANSWER_BYTES } from '../../src/pkcs11/keyholder-server.ts';

/** What the keyholder answered to SIGN, for which identity. */
export type OnSigned = (kpHsId: string, signed: readonly SignedDescriptor[]) => void;

/**
 * Stands between core and keyholder and reads what the keyholder makes, so that a text that no core lived to release
 * is seen too. Passes every byte on unchanged, in both directions.
 */
export class RecordingProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  static async listen(path: string, keyholder: string, onSigned: OnSigned): Promise<RecordingProxy> {
    rmSync(path, { force: true });
    const proxy = new RecordingProxy(
      createServer(socket => proxy.#join(socket, connect(keyholder), onSigned)),
    );
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once('error', reject);
      proxy.#server.listen(path, () => resolve());
    });
    chmodSync(path, 0o600);
    return proxy;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>(resolve => {
      this.#server.close(() => resolve());
    });
  }

  #join(core: Socket, keyholder: Socket, onSigned: OnSigned): void {
    const [asked, answered] = [new FrameReader(MAX_ANSWER_BYTES), new FrameReader(MAX_ANSWER_BYTES)];
    const orders = new Map<number, string>();
    for (const [from, to] of [
      [core, keyholder],
      [keyholder, core],
    ] as const) {
      this.#sockets.add(from);
      from.on('error', () => undefined);
      from.on('close', () => {
        this.#sockets.delete(from);
        to.destroy();
      });
    }
    core.on('data', (chunk: Buffer) => {
      for (const { type, sequence, payload } of asked.push(chunk)) {
        if (type === KEYHOLDER_FRAME.sign) orders.set(sequence, toHex(parseSign(payload).kpHsId));
      }
      keyholder.write(chunk);
    });
    keyholder.on('data', (chunk: Buffer) => {
      for (const { type, sequence, payload } of answered.push(chunk)) {
        if (type === (KEYHOLDER_FRAME.sign | ANSWER_BIT))
          onSigned(orders.get(sequence) ?? '', parseSigned(payload));
      }
      core.write(chunk);
    });
  }
}
