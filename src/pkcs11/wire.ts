// Fixed binary fields for frames, the list and the sealed state: written and read by hand, bounds at every step.

import { CustodyError, type CustodyErrorCode } from './error.ts';

const MAX_U64 = (1n << 64n) - 1n;

/** Collects big-endian fields. Each method checks its range and throws CustodyError (`FRAME_BAD` unless told). */
export class WireWriter {
  readonly #code: CustodyErrorCode;
  readonly #parts: Uint8Array[] = [];

  constructor(code: CustodyErrorCode = 'FRAME_BAD') {
    this.#code = code;
  }

  u8(value: number): this {
    return this.#integer(value, 1);
  }

  u16(value: number): this {
    return this.#integer(value, 2);
  }

  u32(value: number): this {
    return this.#integer(value, 4);
  }

  /** 8 bytes. Numbers must be safe integers. */
  u64(value: bigint | number): this {
    if (typeof value === 'number' && !Number.isSafeInteger(value))
      throw this.#fault('an integer is not exact');
    const wide = BigInt(value);
    if (wide < 0n || wide > MAX_U64) throw this.#fault('an integer is out of range');
    const part = new Uint8Array(8);
    new DataView(part.buffer).setBigUint64(0, wide);
    this.#parts.push(part);
    return this;
  }

  /** Exactly `length` bytes, copied, without a length field. */
  bytes(value: Uint8Array, length: number): this {
    if (value.length !== length) throw this.#fault(`${length} bytes are wanted`);
    this.#parts.push(Uint8Array.from(value));
    return this;
  }

  /** UTF-8 of at most 255 bytes behind one length byte. */
  str8(value: string): this {
    return this.#string(value, 1);
  }

  /** UTF-8 of at most 65,535 bytes behind a u16 length. */
  str16(value: string): this {
    return this.#string(value, 2);
  }

  /** Any bytes behind a u32 length. */
  blob32(value: Uint8Array): this {
    this.u32(value.length);
    this.#parts.push(Uint8Array.from(value));
    return this;
  }

  /** All fields, in one array; nothing can be written after it. The parts are overwritten. */
  finish(): Uint8Array {
    const whole = new Uint8Array(this.#parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of this.#parts.splice(0)) {
      whole.set(part, at);
      at += part.length;
      part.fill(0);
    }
    return whole;
  }

  #integer(value: number, size: 1 | 2 | 4): this {
    if (!Number.isInteger(value) || value < 0 || value >= 2 ** (8 * size)) {
      throw this.#fault('an integer is out of range');
    }
    const part = new Uint8Array(size);
    for (let i = 0; i < size; i++) part[i] = Math.floor(value / 2 ** (8 * (size - 1 - i))) & 0xff;
    this.#parts.push(part);
    return this;
  }

  #string(value: string, size: 1 | 2): this {
    const encoded = new TextEncoder().encode(value);
    if (!value.isWellFormed() || encoded.length >= 2 ** (8 * size)) throw this.#fault('a text is too long');
    this.#integer(encoded.length, size);
    this.#parts.push(encoded);
    return this;
  }

  #fault(what: string): CustodyError {
    return new CustodyError(this.#code, `cannot encode: ${what}`);
  }
}

/** Reads what WireWriter wrote. Every shortage, bad text or rest throws CustodyError (`FRAME_BAD` unless told). */
export class WireReader {
  readonly #bytes: Uint8Array;
  readonly #code: CustodyErrorCode;
  #at = 0;

  constructor(bytes: Uint8Array, code: CustodyErrorCode = 'FRAME_BAD') {
    this.#bytes = bytes;
    this.#code = code;
  }

  u8(): number {
    return this.#integer(1);
  }

  u16(): number {
    return this.#integer(2);
  }

  u32(): number {
    return this.#integer(4);
  }

  u64(): bigint {
    const part = this.#take(8);
    return new DataView(part.buffer, part.byteOffset, 8).getBigUint64(0);
  }

  /** A u64 that must be a safe integer. */
  u64Number(): number {
    const value = this.u64();
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw this.fault('an integer is too large');
    return Number(value);
  }

  /** A copy of the next `length` bytes. */
  bytes(length: number): Uint8Array {
    return Uint8Array.from(this.#take(length));
  }

  str8(): string {
    return this.#string(this.u8());
  }

  str16(): string {
    return this.#string(this.u16());
  }

  /** Bytes behind a u32 length, at most `maximum` of them; a copy. */
  blob32(maximum: number): Uint8Array {
    const length = this.u32();
    if (length > maximum) throw this.fault('a block is too long');
    return this.bytes(length);
  }

  /** The next 32 bytes as `parse` takes them; what it throws becomes this reader's error. */
  key<T>(parse: (bytes: Uint8Array) => T): T {
    const bytes = this.bytes(32);
    try {
      return parse(bytes);
    } catch {
      throw this.fault('a key is not valid');
    }
  }

  /** Nothing but zeros up to byte `end`. */
  zerosUntil(end: number): void {
    if (this.#take(end - this.#at).some(byte => byte !== 0)) throw this.fault('the padding is not empty');
  }

  /** Whether every byte was read. */
  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** Must be called after the last field: refuses trailing bytes. */
  end(): void {
    if (!this.isAtEnd) throw this.fault('bytes follow the last field');
  }

  /** An error with this reader's code, for checks of the caller. */
  fault(what: string): CustodyError {
    return new CustodyError(this.#code, `cannot read at byte ${this.#at}: ${what}`);
  }

  #integer(size: 1 | 2 | 4): number {
    return this.#take(size).reduce((sum, byte) => sum * 256 + byte, 0);
  }

  #string(length: number): string {
    const part = this.#take(length);
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(part);
    } catch {
      throw this.fault('a text is not UTF-8');
    }
  }

  #take(length: number): Uint8Array {
    if (!Number.isInteger(length) || length < 0 || length > this.#bytes.length - this.#at) {
      throw this.fault('the data ends too early');
    }
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
}
