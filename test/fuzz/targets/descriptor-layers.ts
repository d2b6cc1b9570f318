// The readers of text in src/descriptor: items, outer document, layers, sections of points.

import { concat } from '../../../src/descriptor/bytes.ts';
import { parseDescriptor } from '../../../src/descriptor/index.ts';
import { encodeInnerLayer, parseInnerLayer } from '../../../src/descriptor/inner-layer.ts';
import {
  encodeIntroductionPoint,
  parseIntroductionPoint,
} from '../../../src/descriptor/introduction-point.ts';
import { padMiddle, unpadMiddle } from '../../../src/descriptor/layer-crypt.ts';
import { encodeMiddleLayer, parseMiddleLayer } from '../../../src/descriptor/middle-layer.ts';
import { type NetdocItem, encodeObject, parseNetdoc } from '../../../src/descriptor/netdoc.ts';
import { encodeSignatureLine, encodeUnsignedOuter } from '../../../src/descriptor/outer-layer.ts';
import { Resealer } from '../reseal.ts';
import { filesOf, latin1, utf8 } from '../seeds.ts';
import { type Target, demand, demandBytes, demandEqual } from '../target.ts';

/** Codes of the reader of items and of the values in them. */
const TEXT_CODES = ['BAD_UTF8', 'BAD_SYNTAX', 'BAD_BASE64'] as const;
const ITEM_CODES = [...TEXT_CODES, 'MISSING_ITEM', 'DUPLICATE_ITEM', 'BAD_INTEGER'] as const;
const CERT_CODES = ['BAD_CERT', 'UNKNOWN_VERSION', 'TRAILING_DATA'] as const;
const POINT_CODES = [
  ...ITEM_CODES,
  ...CERT_CODES,
  'BAD_POINT',
  'BAD_LINK_SPECIFIER',
  'BAD_KEY',
  'BAD_LENGTH',
];

const ours = new Resealer({ label: 'fuzz layers', points: 2 });

const text = (target: Omit<Target, 'area' | 'shapes' | 'name'> & { readonly name: string }): Target => ({
  ...target,
  name: `descriptor/${target.name}`,
  area: 'descriptor',
  shapes: ['lines', 'lines', 'objects', 'bytes'],
});

/** The text of an item as it must have stood: nothing but the blank after a keyword without words is left open. */
function isWritten(item: NetdocItem, raw: string): boolean {
  const object = item.object === undefined ? '' : encodeObject(item.object.label, item.object.bytes);
  const lines = [`${item.keyword} ${item.rest}\n${object}`];
  if (item.rest === '') lines.push(`${item.keyword}\n${object}`);
  return lines.includes(raw) || lines.includes(`${raw}\n`);
}

export const DESCRIPTOR_LAYERS: readonly Target[] = [
  text({
    name: 'netdoc',
    codes: TEXT_CODES,
    seeds: () => [
      ...filesOf('vectors', /^(?:stem-hidden|arti-hsdesc|tor-hs-desc)/u),
      ours.inner,
      ours.middle(),
    ],
    run: input => {
      const items = parseNetdoc(input);
      let line = 1;
      for (const [i, item] of items.entries()) {
        const raw = Buffer.from(input.subarray(item.offset, items[i + 1]?.offset)).toString('utf8');
        demand(isWritten(item, raw), 'an item is its text');
        demand(item.line === line, 'an item knows its line');
        line += raw.split('\n').length - 1;
      }
      demand(items[0]?.offset === 0, 'nothing stands before the first item');
    },
  }),
  text({
    name: 'outer',
    codes: [...ITEM_CODES, ...CERT_CODES, 'TOO_LARGE'],
    seeds: () => [
      ours.sign(),
      ...filesOf('vectors', /^(?:stem-hidden_service_v3|arti-hsdesc\d\.txt|tor-hs-desc.*)$/u),
    ],
    run: input => {
      const outer = parseDescriptor(input);
      const written = concat(
        encodeUnsignedOuter({ ...outer, cert: outer.cert.bytes }),
        encodeSignatureLine(outer.signature),
      );
      const { signedPart: _, unknown: __, ...fields } = parseDescriptor(written);
      const { signedPart, unknown, ...own } = outer;
      demandEqual(fields, own, 'an outer document is read as it is written');
      demandBytes(signedPart, input.subarray(0, signedPart.length), 'the signed part is the beginning');
      demand(latin1(input.subarray(signedPart.length)).startsWith('signature '), 'the signature follows it');
      // Without strange lines and doubled blanks the text itself comes back.
      if (
        unknown.length === 0 &&
        written.length === input.length &&
        latin1(input).startsWith('hs-descriptor 3\ndescriptor-lifetime')
      ) {
        demand(
          Buffer.from(written).toString('latin1').split('\n').sort().join() ===
            latin1(input).split('\n').sort().join(),
          'no line is lost',
        );
      }
    },
  }),
  text({
    name: 'middle',
    codes: [...ITEM_CODES, 'BAD_LAYER', 'BAD_LENGTH', 'BAD_KEY'],
    seeds: () => [
      ours.middle(),
      ...filesOf('vectors', /^stem-hidden_service_v3_outer_layer$/u).map(unpadMiddle),
    ],
    run: input => {
      const middle = parseMiddleLayer(input);
      demand(middle.authClients.length > 0, 'a middle layer has a client line');
      if (middle.authClients.length % 16 !== 0) return; // what tor never writes, we do not
      const written = parseMiddleLayer(encodeMiddleLayer(middle));
      demandEqual(
        { ...written, unknown: [] },
        { ...middle, unknown: [] },
        'a middle layer is read as it is written',
      );
    },
  }),
  text({
    name: 'padding',
    codes: ['BAD_LAYER'],
    seeds: () => [padMiddle(ours.middle()), utf8('x'), padMiddle(utf8('x'))],
    run: input => {
      const middle = unpadMiddle(input);
      demand(!middle.includes(0), 'no NUL is left');
      demand(
        input.subarray(middle.length).every(byte => byte === 0),
        'nothing but NULs is taken away',
      );
    },
  }),
  text({
    name: 'inner',
    codes: [...POINT_CODES, 'BAD_LAYER', 'POINT_COUNT'],
    seeds: () => [ours.inner, ...filesOf('vectors', /^(?:arti-hsdesc-inner|stem-hidden_service_v3_inner)/u)],
    run: input => {
      const inner = parseInnerLayer(input);
      demand(inner.introductionPoints.length <= 20, 'there are at most 20 points');
      if (inner.introductionPoints.length === 0) return;
      // Both are read, never written.
      const bare = { ...inner, powParams: undefined, introAuthRequired: undefined };
      const written = parseInnerLayer(encodeInnerLayer(bare));
      demandEqual(withoutUnknown(written), withoutUnknown(bare), 'an inner layer is read as it is written');
    },
  }),
  text({
    name: 'point',
    codes: POINT_CODES,
    seeds: () => [
      utf8(encodeIntroductionPoint(ours.forged.inner.introductionPoints[0]!)),
      ...filesOf('vectors', /intro_point$/u),
    ],
    run: input => {
      const point = parseIntroductionPoint(parseNetdoc(input));
      const written = parseIntroductionPoint(parseNetdoc(utf8(encodeIntroductionPoint(point))));
      demandEqual(
        { ...written, unknown: [] },
        { ...unwritten(point), unknown: [] },
        'a point is read as it is written',
      );
    },
  }),
];

/** Legacy keys are read, never written. */
function unwritten<T extends { readonly legacy?: unknown }>(point: T): Omit<T, 'legacy'> {
  const { legacy: _, ...rest } = point;
  return rest;
}

function withoutUnknown(inner: ReturnType<typeof parseInnerLayer>): unknown {
  const introductionPoints = inner.introductionPoints.map(point => ({ ...unwritten(point), unknown: [] }));
  return { ...inner, unknown: [], introductionPoints };
}
