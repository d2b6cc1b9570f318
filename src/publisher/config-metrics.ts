import { isAbsolute } from 'node:path';
import { type ListenAddress, readLoopback } from '../signer/program/listen-address.ts';
import { readList, readScalar } from '../signer/program/read-yaml.ts';
import { errorAt, type YamlNode } from '../signer/program/strict-yaml.ts';

/** Where the numbers of the publisher are shown. */
export type MetricsConfig = {
  /** Of this host only. */
  readonly metrics: ListenAddress | undefined;
  /** Absolute path of a file for node_exporter's textfile collector, which reads what ends in `.prom`. */
  readonly textfile: string | undefined;
};

const TEXTFILE = 'textfile:';
const WRITE = 'as "textfile:/absolute/path.prom"';

/** `"127.0.0.1:9101"`, `"textfile:/path.prom"`, or a list with one of each. SignerError BAD_VALUE. */
export function readMetrics(node: YamlNode | undefined): MetricsConfig {
  const found: { metrics: ListenAddress | undefined; textfile: string | undefined } = {
    metrics: undefined,
    textfile: undefined,
  };
  const items = node === undefined ? [] : node.kind === 'list' ? readList(node, '`metrics`', 2) : [node];
  for (const item of items) {
    const { text } = readScalar(item, '`metrics`');
    const key = text.startsWith(TEXTFILE) ? 'textfile' : 'metrics';
    if (found[key] !== undefined) throw errorAt('BAD_VALUE', item, 'name one address and one file at most');
    if (key === 'metrics') found.metrics = readLoopback(item, '`metrics`');
    else found.textfile = readTextfile(item, text.slice(TEXTFILE.length));
  }
  return found;
}

function readTextfile(node: YamlNode, path: string): string {
  if (isAbsolute(path) && /^[^\p{Cc}\p{Cf}]{1,1024}[^/]\.prom$/u.test(path)) return path;
  throw errorAt('BAD_VALUE', node, `write the file of \`metrics\` ${WRITE}`);
}
