import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { filePinStore, forgetPinBook } from '../../src/pkcs11/pin-book.ts';
import { checkPinTags, MAX_PIN_RECORDS, pinTags } from '../../src/pkcs11/pin-tags.ts';
import { expectCode } from './expect-code.ts';

/** Commands of one operator that run at the same time, as processes. */

const PROGRAM = fileURLToPath(new URL('./programs/try-pins.ts', import.meta.url));
const SOURCE = { kind: 'file', path: '/run/pin' } as const;
const LIMIT = 120_000;
let folder: string;
let book: string;
const running: Command[] = [];

class Command {
  readonly child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string, undefined>;
  readonly #reader: Interface;

  constructor(...pins: string[]) {
    this.child = spawn(process.execPath, ['--no-warnings', PROGRAM, book, ...pins]);
    this.child.stderr.pipe(process.stderr);
    this.#reader = createInterface({ input: this.child.stdout });
    this.#lines = this.#reader[Symbol.asyncIterator]();
    running.push(this);
  }

  /** The next line that it says; undefined at its end. */
  async said(): Promise<string | undefined> {
    const next = await this.#lines.next();
    return next.done === true ? undefined : next.value;
  }

  goOn(): void {
    this.child.stdin.write('\n');
  }

  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.kill('SIGKILL');
    await once(this.child, 'exit');
  }
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pin-book-'));
  book = join(folder, 'state', 'onion-signer', 'pins');
});
afterEach(async () => {
  for (const each of running.splice(0)) await each.kill();
  rmSync(folder, { recursive: true });
});

const ready = async (...pins: string[]): Promise<Command> => {
  const command = new Command(...pins);
  expect(await command.said()).toBe('READY');
  return command;
};
const begun = async (): Promise<Command> => {
  const command = await ready('right');
  command.goOn();
  expect(new Set([await command.said(), await command.said()])).toEqual(new Set(['ASKS', 'BEGUN']));
  return command;
};

test(
  'first commands that run at once agree on the key, and none drops what another one learned',
  async () => {
    const each = MAX_PIN_RECORDS / 2 / 2;
    const pins = [0, 1].map(k => Array.from({ length: each }, (_, i) => `wrong ${k} ${i}`));
    const commands = await Promise.all(pins.map(own => ready(...own)));
    for (const command of commands) command.goOn();
    for (const command of commands) {
      const said = [];
      for (let word = await command.said(); word !== undefined; word = await command.said()) said.push(word);
      expect(said).toEqual(Array.from({ length: each }, () => 'refused'));
    }
    const { key, records } = filePinStore(book).judgement();
    const check = (pin: string) =>
      checkPinTags({ records, isOwn: false }, pinTags(key, 'token', SOURCE, pin));
    for (const pin of pins.flat()) expectCode('PIN_INCORRECT', () => check(pin));
    expect(check('another')).toBe(0);
    expect(readdirSync(dirname(book)).filter(name => name.startsWith('pins'))).toEqual(['pins']);
  },
  LIMIT,
);

test(
  'a command waits for the attempt of another one, and is not told of it as of one without an answer',
  async () => {
    const [first, second] = [await begun(), await ready('right')];
    second.goOn();
    expect(await second.said()).toBe('ASKS');
    expect(filePinStore(book).judgement().records).toMatchObject([{ verdict: 'none', unanswered: 1 }]);
    first.goOn();
    expect(await first.said()).toBe('taken');
    expect(await second.said()).toBe('BEGUN');
    second.goOn();
    expect(await second.said()).toBe('taken');
    expect(filePinStore(book).judgement().records).toEqual([]);
  },
  LIMIT,
);

test(
  'a command that was killed in its attempt keeps nobody waiting, and leaves its record',
  async () => {
    const [first, second] = [await begun(), await ready('right')];
    second.goOn();
    expect(await second.said()).toBe('ASKS');
    expect(filePinStore(book).judgement().records).toMatchObject([{ verdict: 'none', unanswered: 1 }]);
    await first.kill();
    expect(await second.said()).toBe('BEGUN');
    expect(filePinStore(book).judgement().records).toMatchObject([{ verdict: 'none', unanswered: 2 }]);
    await second.kill();
    const third = await ready('wrong');
    third.goOn();
    expect(await third.said()).toBe('refused');
  },
  LIMIT,
);

test(
  'a command that stands still in its attempt is waited for, but not for ever; that PIN alone is not tried',
  async () => {
    await begun();
    const store = filePinStore(book, { waitMs: 50 });
    await store.quiet?.();
    const { key, records } = store.judgement();
    const tags = pinTags(key, 'token', SOURCE, 'right');
    expect(checkPinTags({ records, isOwn: false }, tags)).toBe(1);
    const { end, hasWaited } = await store.attempts.begin(tags);
    expect(hasWaited).toBe(false);
    end();
  },
  LIMIT,
);

test(
  'what is forgotten is the PINs, not the key that other commands were told',
  async () => {
    const command = await ready('wrong');
    command.goOn();
    expect(await command.said()).toBe('refused');
    const { key, records } = filePinStore(book).judgement();
    expect(records).toHaveLength(2);
    await forgetPinBook(book);
    expect(filePinStore(book).judgement()).toEqual({ key, records: [], isOwn: false });
  },
  LIMIT,
);
