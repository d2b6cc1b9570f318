/** Reads the binary packets of SSH (RFC 4251 section 5), strictly: RangeError for whatever does not fit. */
export class SshReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  bytes(length: number): Uint8Array {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new RangeError('cut short');
    const part = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return part;
  }

  uint8(): number {
    return this.bytes(1)[0] ?? 0;
  }

  uint32(): number {
    const part = this.bytes(4);
    return new DataView(part.buffer, part.byteOffset, 4).getUint32(0);
  }

  string(): Uint8Array {
    return this.bytes(this.uint32());
  }

  /** A string of printable ASCII. */
  text(): string {
    const text = Buffer.from(this.string()).toString('latin1');
    if (!/^[ -~]*$/.test(text)) throw new RangeError('not printable');
    return text;
  }

  /** A positive mpint of at most `length` bytes, in its shortest form → `length` bytes, big-endian. */
  positive(length: number): Uint8Array {
    const digits = this.string();
    const [first = 0x80, second = 0] = digits;
    if (first >= 0x80 || (first === 0 && second < 0x80)) throw new RangeError('no shortest positive number');
    const value = first === 0 ? digits.subarray(1) : digits;
    if (value.length > length) throw new RangeError('too long');
    const out = new Uint8Array(length);
    out.set(value, length - value.length);
    return out;
  }

  end(): void {
    if (this.#at !== this.#bytes.length) throw new RangeError('something follows');
  }
}

/** A string of SSH: its length in four bytes, then itself. */
export function sshString(value: Uint8Array | string): Buffer {
  const bytes = Buffer.from(value);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}
