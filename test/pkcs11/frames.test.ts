import { duplexPair } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { FrameChannel, FrameReader, MAX_FRAME_BYTES, encodeFrame } from '../../src/pkcs11/frames.ts';
import { WireReader, WireWriter } from '../../src/pkcs11/wire.ts';
import { expectCode, expectCodeOf } from './expect-code.ts';

const frame = (length = 3, sequence = 7) => ({ type: 2, sequence, payload: new Uint8Array(length).fill(9) });

describe('a frame', () => {
  test('is its length, type, sequence and payload', () => {
    expect(Buffer.from(encodeFrame(frame())).toString('hex')).toBe(
      '0000000802000000070909 09'.replace(' ', ''),
    );
  });

  test('has a type of one byte and a sequence of four', () => {
    expect(encodeFrame({ ...frame(), type: 255, sequence: 0xffff_ffff })).toHaveLength(12);
    for (const bad of [{ type: 256 }, { type: -1 }, { sequence: 2 ** 32 }, { sequence: 0.5 }]) {
      expectCode('FRAME_BAD', () => encodeFrame({ ...frame(), ...bad }));
    }
  });

  test('is as long as the channel allows and not longer', () => {
    expect(encodeFrame(frame(15), 20)).toHaveLength(24);
    expectCode('FRAME_TOO_LARGE', () => encodeFrame(frame(16), 20));
  });
});

describe('a reader of frames', () => {
  test('finds the same frames however the stream is cut', () => {
    const bytes = Buffer.concat([frame(0, 1), frame(300, 2), frame(5, 3)].map(each => encodeFrame(each)));
    for (const size of [1, 2, 3, 7, 100, bytes.length]) {
      const reader = new FrameReader();
      const frames = [];
      for (let at = 0; at < bytes.length; at += size)
        frames.push(...reader.push(bytes.subarray(at, at + size)));
      expect(frames).toEqual([frame(0, 1), frame(300, 2), frame(5, 3)]);
      reader.end();
    }
  });

  test('refuses a frame that is too long by its length field alone, and everything after it', () => {
    const longest = new FrameReader(20);
    expect(longest.push(encodeFrame(frame(15)))).toHaveLength(1);
    const reader = new FrameReader(20);
    expectCode('FRAME_TOO_LARGE', () => reader.push(Uint8Array.of(0, 0, 0, 21)));
    expectCode('FRAME_BAD', () => reader.push(encodeFrame(frame(1))));
  });

  test('refuses a length that does not even hold type and sequence', () => {
    expectCode('FRAME_BAD', () => new FrameReader().push(Uint8Array.of(0, 0, 0, 4, 1, 0, 0, 0)));
    expect(new FrameReader().push(Uint8Array.of(0, 0, 0, 5, 1, 0, 0, 0, 0))).toHaveLength(1);
  });

  test('refuses an end in the middle of a frame', () => {
    const reader = new FrameReader();
    reader.push(encodeFrame(frame()).subarray(0, 5));
    expectCode('FRAME_BAD', () => reader.end());
  });
});

describe('a channel', () => {
  test('carries frames both ways and ends cleanly', async () => {
    const [a, b] = duplexPair();
    const [left, right] = [new FrameChannel(a), new FrameChannel(b)];
    const sent = Promise.all([
      left.send(1, 2, Uint8Array.of(3)),
      left.send(4, 5, new Uint8Array(100_000)),
      right.send(6, 7, new Uint8Array(0)),
    ]);
    expect(await right.receive()).toEqual({ type: 1, sequence: 2, payload: Uint8Array.of(3) });
    expect((await right.receive())?.payload).toHaveLength(100_000);
    expect(await left.receive()).toEqual({ type: 6, sequence: 7, payload: new Uint8Array(0) });
    await sent;
    a.end();
    expect(await right.receive()).toBeUndefined();
  });

  test('destroys the stream behind a frame that it refuses', async () => {
    const [a, b] = duplexPair();
    const right = new FrameChannel(b);
    a.write(Buffer.alloc(16, 0xff));
    await expectCodeOf('FRAME_TOO_LARGE', right.receive());
    expect(b.destroyed).toBe(true);
    expect(await right.receive()).toBeUndefined();
  });

  test('refuses a stream that ends within a frame', async () => {
    const [a, b] = duplexPair();
    const right = new FrameChannel(b);
    a.end(encodeFrame(frame()).subarray(0, 10));
    await expectCodeOf('FRAME_BAD', right.receive());
  });

  test('does not send what the other side would refuse', async () => {
    const [a] = duplexPair();
    await expectCodeOf('FRAME_TOO_LARGE', new FrameChannel(a).send(1, 1, new Uint8Array(MAX_FRAME_BYTES)));
  });
});

describe('binary fields', () => {
  test('are read as they were written', () => {
    const bytes = new WireWriter()
      .u8(255)
      .u16(65_535)
      .u32(0xffff_ffff)
      .u64(2n ** 64n - 1n)
      .u64(Number.MAX_SAFE_INTEGER)
      .bytes(Uint8Array.of(1, 2), 2)
      .str8('é')
      .str16('')
      .blob32(new Uint8Array(70_000))
      .finish();
    const reader = new WireReader(bytes);
    expect([reader.u8(), reader.u16(), reader.u32(), reader.u64()]).toEqual([
      255,
      65_535,
      0xffff_ffff,
      2n ** 64n - 1n,
    ]);
    expect([reader.u64Number(), reader.bytes(2), reader.str8(), reader.str16()]).toEqual([
      Number.MAX_SAFE_INTEGER,
      Uint8Array.of(1, 2),
      'é',
      '',
    ]);
    expect(reader.blob32(70_000)).toHaveLength(70_000);
    reader.end();
  });

  test('are refused by the writer beyond their range', () => {
    const writer = () => new WireWriter();
    for (const write of [
      () => writer().u8(256),
      () => writer().u16(-1),
      () => writer().u32(2 ** 32),
      () => writer().u64(2n ** 64n),
      () => writer().u64(-1),
      () => writer().u64(2 ** 53),
      () => writer().bytes(new Uint8Array(3), 2),
      () => writer().str8('x'.repeat(256)),
      () => writer().str16('x'.repeat(65_536)),
      () => writer().str8('\ud800'),
    ]) {
      expectCode('FRAME_BAD', write);
    }
    expect(writer().str8('x'.repeat(255)).finish()).toHaveLength(256);
  });

  test('are refused by the reader when they are cut, too long, not UTF-8, or followed by anything', () => {
    expectCode('FRAME_BAD', () => new WireReader(new Uint8Array(3)).u32());
    expectCode('FRAME_BAD', () => new WireReader(Uint8Array.of(2, 97)).str8());
    expectCode('FRAME_BAD', () => new WireReader(Uint8Array.of(1, 0xff)).str8());
    expectCode('FRAME_BAD', () => new WireReader(Uint8Array.of(0, 0, 0, 2, 1, 1)).blob32(1));
    expectCode('FRAME_BAD', () => new WireReader(new WireWriter().u64(2n ** 53n).finish()).u64Number());
    expectCode('FRAME_BAD', () => new WireReader(new Uint8Array(1)).end());
    expect(new WireReader(Uint8Array.of(0, 0, 0, 2, 1, 1)).blob32(2)).toEqual(Uint8Array.of(1, 1));
  });

  test('fail with the code of the format that they belong to', () => {
    expectCode('LIST_SYNTAX', () => new WireReader(new Uint8Array(0), 'LIST_SYNTAX').u8());
  });
});
