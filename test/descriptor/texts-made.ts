/** Where bytes become text in Node: method by method. */
const MAKERS: readonly (readonly [object, string])[] = [
  ...[
    'toString',
    'hexSlice',
    'latin1Slice',
    'asciiSlice',
    'base64Slice',
    'base64urlSlice',
    'utf8Slice',
    'ucs2Slice',
  ].map(name => [Buffer.prototype, name] as const),
  ...['join', 'toString', 'toHex', 'toBase64'].map(name => [Uint8Array.prototype, name] as const),
  [Object.getPrototypeOf(Uint8Array.prototype) as object, 'join'],
  [Object.getPrototypeOf(Uint8Array.prototype) as object, 'toString'],
  [Array.prototype, 'join'],
  [String, 'fromCharCode'],
  [TextDecoder.prototype, 'decode'],
];

type Method = (this: unknown, ...args: unknown[]) => unknown;

/** Every string that is made from bytes while `work` runs, by methods of bytes, lists and decoders. */
export function textsMadeBy(work: () => void): string[] {
  const texts: string[] = [];
  const restore: (() => void)[] = [];
  for (const [owner, name] of MAKERS) {
    const before = Object.getOwnPropertyDescriptor(owner, name);
    const method = before?.value as Method | undefined;
    if (before === undefined || method === undefined) continue;
    const spy: Method = function (...args) {
      const made = method.apply(this, args);
      if (typeof made === 'string') texts[texts.length] = made;
      return made;
    };
    Object.defineProperty(owner, name, { ...before, value: spy });
    restore.push(() => Object.defineProperty(owner, name, before));
  }
  try {
    work();
  } finally {
    for (const each of restore) each();
  }
  return texts;
}
