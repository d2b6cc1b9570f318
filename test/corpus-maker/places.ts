// Where in a descriptor a defect is put: the groups of files, and the edits of each document.

import type { DescriptorErrorCode } from '../../src/descriptor/index.ts';
import { type Making, described, replaced } from './compact.ts';
import type { CorpusFile, Group } from './corpus-file.ts';

export const OUTER: Group = {
  format: 'descriptor',
  section: 'rend-spec-v3 2.4',
  control: 'outer-plain',
  layer: 'outer',
  ending: '.desc',
};
export const MIDDLE: Group = {
  ...OUTER,
  section: 'rend-spec-v3 2.5.1.2',
  control: 'middle-plain',
  layer: 'middle',
};
export const INNER: Group = {
  ...OUTER,
  section: 'rend-spec-v3 2.5.2.2',
  control: 'inner-plain',
  layer: 'inner',
};
export const POINT: Group = { ...INNER, control: 'point-plain' };

type Edit = (pattern: string | RegExp, by: string) => Making;

/** Changes a document before it is encrypted or signed. */
export const inOuter: Edit = (pattern, by) => ({ editOuter: replaced(pattern, by) });
export const inMiddle: Edit = (pattern, by) => ({ editMiddle: replaced(pattern, by) });
export const inInner: Edit = (pattern, by) => ({ editInner: replaced(pattern, by) });
/** Changes the finished text. */
export const afterSigning: Edit = (pattern, by) => ({ editText: replaced(pattern, by) });

/** Makes files of one group, whose names and those of their neighbours begin alike. */
export function filer(group: Group, prefix: string) {
  return (
    name: string,
    shows: string,
    making: Making,
    code?: DescriptorErrorCode,
    control?: string,
  ): CorpusFile =>
    described(group, `${prefix}-${name}`, shows, making, {
      ...(code && { code }),
      ...(control && { control: `${prefix}-${control}` }),
    });
}
