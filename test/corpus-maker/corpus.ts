import { base64Files } from './cases-base64.ts';
import { certificateFiles } from './cases-certificates.ts';
import { chainFiles, directoryFiles } from './cases-chain.ts';
import { evidenceFiles } from './cases-evidence.ts';
import { clientFiles, consensusFiles, obConfigFiles, pemFiles } from './cases-files.ts';
import { create2Files, flowControlFiles, innerFlagFiles, pointCountFiles } from './cases-inner-head.ts';
import { caaFiles, powParamsFiles } from './cases-inner-params.ts';
import { innerTextFiles } from './cases-inner-text.ts';
import { keyFiles } from './cases-keys.ts';
import { linkSpecifierFiles } from './cases-links.ts';
import { clientLineFiles, restrictedFiles } from './cases-middle-clients.ts';
import { ephemeralKeyFiles, middleItemFiles } from './cases-middle-items.ts';
import { encryptionFiles, middleTextFiles } from './cases-middle-text.ts';
import { outerItemFiles } from './cases-outer-items.ts';
import { outerTextFiles } from './cases-outer-text.ts';
import { outerNumberFiles, outerSignatureFiles } from './cases-outer-values.ts';
import { pointCertificateFiles } from './cases-point-certificates.ts';
import { legacyKeyFiles, pointItemFiles, pointKeyFiles } from './cases-point-items.ts';
import { signatureFiles } from './cases-signatures.ts';
import { COOKIE, DESC_SIGN, KP_HS_BLIND_ID, NOW, PERIODS, SERVICE } from './compact.ts';
import type { CorpusFile } from './corpus-file.ts';
import { type IndexEntry, formatIndex } from './corpus-index.ts';
import { type CorpusKeys, type CorpusVerdict, FIRST, verdictOf } from './corpus-readers.ts';

const KEYS: CorpusKeys = {
  kpHsId: SERVICE.kpHsId,
  kpHsBlindId: KP_HS_BLIND_ID,
  kpHsDescSign: DESC_SIGN.publicKey,
  periods: PERIODS,
  now: NOW,
  cookie: COOKIE,
};

/** Every file of the corpus but its index. */
export function corpusFiles(): CorpusFile[] {
  return [
    ...outerTextFiles(),
    ...outerItemFiles(),
    ...outerNumberFiles(),
    ...outerSignatureFiles(),
    ...chainFiles(),
    ...directoryFiles(),
    ...encryptionFiles(),
    ...middleTextFiles(),
    ...middleItemFiles(),
    ...ephemeralKeyFiles(),
    ...clientLineFiles(),
    ...restrictedFiles(),
    ...innerTextFiles(),
    ...create2Files(),
    ...innerFlagFiles(),
    ...flowControlFiles(),
    ...powParamsFiles(),
    ...caaFiles(),
    ...pointCountFiles(),
    ...pointItemFiles(),
    ...legacyKeyFiles(),
    ...pointKeyFiles(),
    ...pointCertificateFiles(),
    ...linkSpecifierFiles(),
    ...evidenceFiles(),
    ...certificateFiles(),
    ...signatureFiles(),
    ...keyFiles(),
    ...pemFiles(),
    ...clientFiles(),
    ...obConfigFiles(),
    ...consensusFiles(),
    ...base64Files(),
  ];
}

/** Files by name, the index among them, and which are not judged as their cases say. */
export interface MadeCorpus {
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly faults: readonly string[];
}

/** Judges the files. Code and layer are those that the cases name; line and offset are what the reader says. */
export function makeCorpus(cases: readonly CorpusFile[] = corpusFiles()): MadeCorpus {
  const faults: string[] = [];
  const files = new Map<string, Uint8Array>();
  const entries: IndexEntry[] = [];
  for (const each of cases.toSorted((a, b) => (a.file < b.file ? -1 : 1))) {
    if (files.has(each.file)) faults.push(`${each.file}: two files of this name`);
    const verdict = verdictOf(FIRST[each.format], each.bytes, KEYS);
    const expected = inWords(each.refusal);
    const observed = inWords(verdict);
    if (expected !== observed) faults.push(`${each.file}: ${observed}, not ${expected}`);
    files.set(each.file, each.bytes);
    entries.push(entryOf(each, verdict));
  }
  files.set('index.json', new TextEncoder().encode(formatIndex({ keys: KEYS, files: entries })));
  return { files, faults };
}

function inWords(refusal: CorpusVerdict | CorpusFile['refusal']): string {
  return [refusal?.code ?? 'taken', refusal?.layer ?? []].flat().join(' ');
}

function entryOf({ file, format, control, shows, section }: CorpusFile, verdict: CorpusVerdict): IndexEntry {
  return { file, format, ...verdict, ...(control === undefined ? {} : { control }), shows, section };
}
