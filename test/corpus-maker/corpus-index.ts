import type { Bytes, TimePeriod } from '../../src/descriptor/index.ts';
import { fromHex, toHex } from '../../src/descriptor/bytes.ts';
import { parseKpHsBlindId, parseKpHsId } from '../../src/descriptor/keys.ts';
import type { CorpusFormat } from './corpus-file.ts';
import type { CorpusKeys, CorpusVerdict } from './corpus-readers.ts';

/** One line of the index. */
export interface IndexEntry extends CorpusVerdict {
  readonly file: string;
  readonly format: CorpusFormat;
  /** The taken neighbour of a refused file. */
  readonly control?: string;
  readonly shows: string;
  readonly section: string;
}

/** index.json as read. */
export interface CorpusIndex {
  readonly keys: CorpusKeys;
  readonly files: readonly IndexEntry[];
}

interface IndexText {
  readonly keys: {
    readonly kpHsId: string;
    readonly kpHsBlindId: string;
    readonly kpHsDescSign: string;
    readonly periods: readonly TimePeriod[];
    readonly now: number;
    readonly cookie: string;
  };
  readonly files: readonly IndexEntry[];
}

/** The text of the index: one line for each file, bytes in hexadecimal. */
export function formatIndex({ keys, files }: CorpusIndex): string {
  const { kpHsId, kpHsBlindId, kpHsDescSign, cookie, periods, now } = keys;
  const hex = (bytes: Bytes): string => toHex(bytes);
  const head = {
    kpHsId: hex(kpHsId),
    kpHsBlindId: hex(kpHsBlindId),
    kpHsDescSign: hex(kpHsDescSign),
    periods,
    now,
    cookie: hex(cookie),
  };
  const lines = files.map(entry => JSON.stringify(entry));
  return `{"keys":${JSON.stringify(head)},\n"files":[\n${lines.join(',\n')}\n]}\n`;
}

export function parseIndex(text: string): CorpusIndex {
  const { keys, files } = JSON.parse(text) as IndexText;
  return {
    keys: {
      kpHsId: parseKpHsId(fromHex(keys.kpHsId)),
      kpHsBlindId: parseKpHsBlindId(fromHex(keys.kpHsBlindId)),
      kpHsDescSign: fromHex(keys.kpHsDescSign),
      periods: keys.periods,
      now: keys.now,
      cookie: fromHex(keys.cookie),
    },
    files,
  };
}
