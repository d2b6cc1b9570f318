// Frames between core, keyholder and token process:
//   u32be length (of all that follows) | u8 type | u32be sequence | payload

import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { CustodyError } from './error.ts';

export { WireReader, WireWriter } from './wire.ts';

/** Length field, type and sequence. */
export const FRAME_HEADER_BYTES = 9;
/** Default for the length field: no message of ours is longer. */
export const MAX_FRAME_BYTES = 1 << 20;

const TYPE_AND_SEQUENCE = 5;

export interface Frame {
  /** Kind of message, 0..255. */
  readonly type: number;
  /** Chosen by the asker, repeated in the answer; u32. */
  readonly sequence: number;
  readonly payload: Uint8Array;
}

/**
 * One frame as bytes.
 * @param maximum the largest permitted length field
 * @throws CustodyError FRAME_TOO_LARGE, FRAME_BAD (type or sequence out of range)
 */
export function encodeFrame(frame: Frame, maximum = MAX_FRAME_BYTES): Uint8Array {
  const length = frame.payload.length + TYPE_AND_SEQUENCE;
  if (length > maximum) throw new CustodyError('FRAME_TOO_LARGE', `a frame may have ${maximum} bytes`);
  if (!isUnsigned(frame.type, 0xff) || !isUnsigned(frame.sequence, 0xffff_ffff)) {
    throw new CustodyError('FRAME_BAD', 'the type or sequence of a frame is out of range');
  }
  const bytes = new Uint8Array(FRAME_HEADER_BYTES + frame.payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, length);
  view.setUint8(4, frame.type);
  view.setUint32(5, frame.sequence);
  bytes.set(frame.payload, FRAME_HEADER_BYTES);
  return bytes;
}

function isUnsigned(value: number, maximum: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= maximum;
}

/** Cuts a byte stream into frames. After an error it refuses everything: the stream has lost its place. */
export class FrameReader {
  readonly #maximum: number;
  readonly #overwrites: boolean;
  #chunks: Uint8Array[] = [];
  #buffered = 0;
  #broken = false;

  /** @param overwrites what frames were copied from, for chunks that nobody else needs: some hold a cookie */
  constructor(maximum = MAX_FRAME_BYTES, overwrites = false) {
    this.#maximum = maximum;
    this.#overwrites = overwrites;
  }

  /**
   * Takes the next bytes of the stream, returns the frames that they complete (payloads are copies).
   * @throws CustodyError FRAME_TOO_LARGE (before anything of that frame is kept), FRAME_BAD (length below 5)
   */
  push(chunk: Uint8Array): Frame[] {
    if (this.#broken) throw new CustodyError('FRAME_BAD', 'the stream was refused before; open a new one');
    this.#chunks.push(chunk);
    this.#buffered += chunk.length;
    const frames: Frame[] = [];
    for (let frame = this.#next(); frame !== undefined; frame = this.#next()) frames.push(frame);
    return frames;
  }

  /** Must hold when the stream ends. @throws CustodyError FRAME_BAD when a frame is cut off */
  end(): void {
    if (this.#buffered > 0) throw this.#refuse('FRAME_BAD', 'the stream ended inside a frame');
  }

  #next(): Frame | undefined {
    if (this.#buffered < 4) return undefined;
    const head = this.#joined();
    const length = new DataView(head.buffer, head.byteOffset, 4).getUint32(0);
    if (length > this.#maximum)
      throw this.#refuse('FRAME_TOO_LARGE', `a frame may have ${this.#maximum} bytes`);
    if (length < TYPE_AND_SEQUENCE) throw this.#refuse('FRAME_BAD', 'a frame is shorter than its header');
    if (this.#buffered < 4 + length) return undefined;
    const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
    const payload = Uint8Array.from(head.subarray(FRAME_HEADER_BYTES, 4 + length));
    const frame = { type: view.getUint8(4), sequence: view.getUint32(5), payload };
    this.#buffered -= 4 + length;
    this.#chunks = this.#buffered > 0 ? [head.subarray(4 + length)] : [];
    if (this.#overwrites) head.fill(0, 0, 4 + length);
    return frame;
  }

  // Joins lazily: at once for the four length bytes, then only when a whole frame is there.
  #joined(): Uint8Array {
    const first = this.#chunks[0];
    if (first !== undefined && first.length >= 4 && this.#buffered < 4 + lengthOf(first)) return first;
    if (first !== undefined && this.#chunks.length === 1) return first;
    const whole = new Uint8Array(this.#buffered);
    let at = 0;
    for (const chunk of this.#chunks) {
      whole.set(chunk, at);
      at += chunk.length;
      if (this.#overwrites) chunk.fill(0);
    }
    this.#chunks = [whole];
    return whole;
  }

  #refuse(code: 'FRAME_TOO_LARGE' | 'FRAME_BAD', detail?: string): CustodyError {
    this.#broken = true;
    this.#chunks = [];
    this.#buffered = 0;
    return new CustodyError(code, detail);
  }
}

function lengthOf(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0);
}

/** Both directions of frames over one duplex (socket, socket pair of a child, in-memory pair). */
export class FrameChannel {
  readonly #stream: Duplex;
  readonly #maximum: number;
  readonly #frames: AsyncGenerator<Frame, void, void>;

  /** @param maximum the largest permitted length field, both ways */
  constructor(stream: Duplex, maximum = MAX_FRAME_BYTES) {
    this.#stream = stream;
    this.#maximum = maximum;
    this.#frames = this.#read();
    // Failures are reported by send and receive; a late one must not end the process.
    stream.on('error', () => undefined);
  }

  /**
   * Writes one frame; resolves when the stream has taken it. Of a socket our copy is overwritten then; the payload is the caller's.
   * @throws CustodyError FRAME_TOO_LARGE, FRAME_BAD; the stream's own error
   */
  async send(type: number, sequence: number, payload: Uint8Array): Promise<void> {
    const bytes = encodeFrame({ type, sequence, payload }, this.#maximum);
    await new Promise<void>((resolve, reject) => {
      this.#stream.write(bytes, error => (error ? reject(error) : resolve()));
    });
    // A socket has handed them to the kernel; another stream may pass them on as they are.
    if (this.#stream instanceof Socket) bytes.fill(0);
  }

  /**
   * The next frame, or undefined after a clean end. One call at a time.
   * @throws CustodyError FRAME_TOO_LARGE, FRAME_BAD (the stream is then destroyed); the stream's own error
   */
  async receive(): Promise<Frame | undefined> {
    const next = await this.#frames.next();
    return next.done === true ? undefined : next.value;
  }

  /** Ends the stream now; a pending receive returns undefined or fails. */
  close(): void {
    this.#stream.destroy();
  }

  async *#read(): AsyncGenerator<Frame, void, void> {
    const reader = new FrameReader(this.#maximum, this.#stream instanceof Socket);
    // Leaving this loop by an error destroys the stream: nothing more is read behind a refused frame.
    for await (const chunk of this.#stream as AsyncIterable<Uint8Array>) yield* reader.push(chunk);
    reader.end();
  }
}
