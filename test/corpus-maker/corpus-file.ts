import type { Bytes, DescriptorErrorCode, DescriptorLayer } from '../../src/descriptor/index.ts';

/** How the bytes of a file are read; corpus-readers.ts has a reader for each. */
export type CorpusFormat =
  | 'address'
  | 'base32'
  | 'base64-either'
  | 'base64-padded'
  | 'base64-unpadded'
  | 'certificate-08'
  | 'certificate-09'
  | 'certificate-0b'
  | 'client-file'
  | 'client-private-file'
  | 'consensus'
  | 'descriptor'
  | 'ed25519-key'
  | 'evidence'
  | 'hex'
  | 'hostname'
  | 'hsdir'
  | 'identity-key'
  | 'link-specifiers'
  | 'ob-config'
  | 'pem-key'
  | 'public-key-file'
  | 'restricted'
  | 'secret-key-file'
  | 'signature'
  | 'x25519-key';

/** How a file is refused. */
export interface CorpusRefusal {
  readonly code: DescriptorErrorCode;
  readonly layer?: DescriptorLayer | undefined;
}

/** One file, and what a reader has to say about it. */
export interface CorpusFile {
  readonly file: string;
  readonly format: CorpusFormat;
  readonly bytes: Bytes;
  /** Undefined: it is taken. */
  readonly refusal: CorpusRefusal | undefined;
  /** A file of the same format that is taken: what the refused one would be without its defect. */
  readonly control: string | undefined;
  /** What it shows, in a few words. */
  readonly shows: string;
  /** Where the format is laid down. */
  readonly section: string;
}

/** What the files of one group share. */
export interface Group {
  readonly format: CorpusFormat;
  readonly section: string;
  /** The taken neighbour of those that name none. */
  readonly control: string;
  readonly layer?: DescriptorLayer;
  /** Ending of the names. */
  readonly ending: string;
}

/** How one file of a group differs from the rest. */
export interface Variation {
  readonly code?: DescriptorErrorCode;
  readonly control?: string;
  readonly layer?: DescriptorLayer;
}

/** A file of a group: taken without a code. `control` is named without its ending. */
export function fileOf(
  group: Group,
  name: string,
  shows: string,
  bytes: Bytes,
  { code, control = group.control, layer = group.layer }: Variation = {},
): CorpusFile {
  return {
    file: name + group.ending,
    format: group.format,
    bytes,
    refusal: code === undefined ? undefined : { code, ...(layer === undefined ? {} : { layer }) },
    control: code === undefined ? undefined : control + group.ending,
    shows,
    section: group.section,
  };
}
