import { execFileSync, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  TOR_NETWORK,
  formatOnionAddress,
  parseConsensus,
  revisionCounterAt,
  srvRunStart,
  toHex,
} from '../../src/descriptor/index.ts';
import { npmCommandLine } from '../../scripts/setup/packages.js';
import { TOOLS } from '../../scripts/tools.js';
import { NOON, PERIOD, forge, noise } from '../descriptor/forge.ts';

const ROOT = path.dirname(path.dirname(import.meta.dirname));
const MANIFEST = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as {
  version: string;
  dependencies: Record<string, string>;
  bin: Record<string, string>;
};
const DESCRIPTOR = path.join(ROOT, 'test/vectors/arti-hsdesc1.txt');
const ADDRESS = 'duckduckgogg42xjoc72x3sjasowoarfbgcmvfimaftt6twagswzczad.onion';
const NOT_COPIED = new Set(['node_modules', '.git', '.setup', 'coverage', 'demo-out']);

let folder: string;
let clone: string;
/** A program with this package and the @noble packages installed. */
let consumer: string;
/** The same with all dependencies. */
let complete: string;
let packed: string[];

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'tarball-'));
  clone = path.join(folder, 'clone');
  for (const name of readdirSync(ROOT)) {
    if (!NOT_COPIED.has(name)) cpSync(path.join(ROOT, name), path.join(clone, name), { recursive: true });
  }
  // Set-up has built dist; prepack would set up and build in the copy.
  const npm = [npmCommandLine(), 'pack', '--ignore-scripts', '--json', '--offline'];
  const [{ filename }] = JSON.parse(
    run([...npm, '--cache', path.join(folder, 'cache'), '--pack-destination', folder], clone),
  ) as [{ filename: string }];
  const tarball = path.join(folder, filename);
  packed = execFileSync('tar', ['-tzf', tarball], { encoding: 'utf8' }).trim().split('\n');
  consumer = install(
    'consumer',
    tarball,
    Object.keys(MANIFEST.dependencies).filter(name => name.startsWith('@noble/')),
  );
  complete = install('complete', tarball, Object.keys(MANIFEST.dependencies));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(args: readonly string[], cwd: string): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${args.join(' ')}: ${stdout}${stderr}`);
  return stdout;
}

/** A folder with the unpacked tarball below node_modules, and links to these packages of ours beside it. */
function install(name: string, tarball: string, packages: readonly string[]): string {
  const program = path.join(folder, name);
  const installed = path.join(program, 'node_modules', 'onion-signer');
  mkdirSync(installed, { recursive: true });
  execFileSync('tar', ['-xzf', tarball, '--strip-components=1', '-C', installed]);
  for (const each of packages) {
    const link = path.join(program, 'node_modules', each);
    mkdirSync(path.dirname(link), { recursive: true });
    symlinkSync(path.join(ROOT, 'node_modules', each), link);
  }
  const library = readFileSync(`${installed}/docs/library.md`, 'utf8');
  const [lines = '', example = ''] = [...library.matchAll(/^```js\n([^]*?)^```$/gm)].map(([, code]) => code);
  writeFileSync(path.join(program, 'three-lines.js'), lines);
  writeFileSync(path.join(program, 'example.js'), example);
  for (const each of ['consumer.js', 'consumer-types.ts', 'example-run.js']) {
    cpSync(path.join(import.meta.dirname, each), path.join(program, each));
  }
  writeFileSync(path.join(program, 'package.json'), '{"type":"module","private":true}');
  return program;
}

describe('the tarball', () => {
  /** What it may hold; the copy that it was packed from has everything else too. */
  const BELONGS =
    /^package\/(?:package\.json|LICENSE|README\.md|bin\/[\w-]+\.js|(?:docs|policies)\/[\w./-]+|dist\/[\w./-]+\.(?:js|js\.map|d\.ts))$/;

  test('holds the launchers, what was built, documents, and nothing else', () => {
    expect(packed.filter(name => !BELONGS.test(name))).toEqual([]);
    for (const name of ['LICENSE', 'README.md', 'bin/launch.js', 'dist/signer/main.js', 'docs/api.md']) {
      expect(packed).toContain(`package/${name}`);
    }
  });

  test.each(['src/signer/main.ts', 'test/architecture.test.ts', 'scripts/setup.js', 'bench/main.ts'])(
    'leaves out %s, which was there to be packed',
    name => {
      expect(existsSync(path.join(clone, name))).toBe(true);
      expect(packed).not.toContain(`package/${name}`);
      expect(`package/${name}`).not.toMatch(BELONGS);
    },
  );

  test('has a built module with types for every source module', () => {
    const sources = readdirSync(path.join(ROOT, 'src'), { recursive: true, encoding: 'utf8' });
    const modules = sources.filter(name => name.endsWith('.ts') && !name.endsWith('.d.ts'));
    for (const name of modules.map(each => each.slice(0, -'.ts'.length))) {
      expect(packed).toContain(`package/dist/${name}.js`);
      expect(packed).toContain(`package/dist/${name}.d.ts`);
    }
  });
});

describe('a program with the @noble packages beside it', () => {
  interface Output {
    readonly key: string;
    readonly address: string;
    readonly points: number;
    readonly counter: string;
    readonly refusal: string;
    readonly loaded: readonly string[];
    readonly addons: readonly string[];
  }

  function consume(program: string, ...extra: string[]): Output {
    return JSON.parse(run(['consumer.js', DESCRIPTOR, ADDRESS, ...extra], program)) as Output;
  }

  /** Loaded modules that the library has no business with. */
  function strangers({ loaded }: Output, program: string): string[] {
    const own = [
      pathToFileURL(path.join(program, 'node_modules/onion-signer/dist/descriptor/')).href,
      pathToFileURL(path.join(ROOT, 'node_modules/@noble/')).href,
    ];
    return loaded.filter(url => url !== 'node:crypto' && !own.some(prefix => url.startsWith(prefix)));
  }

  test('parses an address and opens a descriptor of stock tor', () => {
    expect(consume(consumer)).toMatchObject({
      key: '1d04a1d04a338c6e6ae970bfabee49049d6702250984ca950c01673f4ec034ad',
      address: ADDRESS,
      points: 3,
      counter: '19655750',
      refusal: 'WRONG_PERIOD',
    });
  });

  test('loads node:crypto, @noble and the library alone, and no native addon', () => {
    const output = consume(consumer);
    expect(strangers(output, consumer)).toEqual([]);
    expect(output.addons).toEqual([]);
    expect(output.loaded.some(url => url.endsWith('/dist/descriptor/index.js'))).toBe(true);
  });

  test('a native addon that is loaded besides would be seen', () => {
    const output = consume(complete, 'sodium-native');
    expect(output.addons).not.toEqual([]);
    expect(strangers(output, complete)).not.toEqual([]);
  });

  test.each(['onion-signer', 'onion-signer/dist/descriptor/keys.js', 'onion-signer/dist/signer/main.js'])(
    'cannot import %s',
    specifier => {
      const script = `await import(process.argv[1]).catch(error => process.stdout.write(error.code))`;
      const args = ['--input-type=module', '-e', script];
      expect(run([...args, specifier], complete)).toBe('ERR_PACKAGE_PATH_NOT_EXPORTED');
      expect(run([...args, 'onion-signer/descriptor'], complete)).toBe('');
    },
  );

  test('compiles against the types, the declarations themselves checked, without the types of Node', () => {
    const options = {
      strict: true,
      target: 'es2024',
      module: 'node20',
      lib: ['es2024'],
      types: [],
      noEmit: true,
    };
    const config = path.join(consumer, 'tsconfig.json');
    const files = ['consumer-types.ts', 'example.js'];
    writeFileSync(config, JSON.stringify({ compilerOptions: { ...options, checkJs: true }, files }));
    const [tsc = ''] = TOOLS['typecheck']?.() ?? [];
    expect(run([tsc, '-p', config], consumer)).toBe('');
  });
});

describe('the worked example of docs/library.md', () => {
  const { text, kpHsId, parts, at, descSign, inner } = forge({ at: NOON + 1800 });
  const [consensus, microdescriptors] = ['consensus-microdesc.txt', 'microdescriptors.txt'].map(name =>
    readFileSync(path.join(ROOT, 'test/publisher/data', name), 'utf8'),
  ) as [string, string];
  const utc = (seconds: number) => new Date(seconds * 1000).toISOString().slice(0, 19).replace('T', ' ');
  /** Inputs of the example: a day of the public network, on which the three relays of a test network are. */
  const input = {
    text: toHex(text),
    address: formatOnionAddress(kpHsId),
    now: at + 3600,
    publicKey: toHex(descSign.publicKey),
    certificate: toHex(parts.descSigningKeyCert),
    counterKey: toHex(noise('a counter key', 32)),
    pem: descSign.pem,
    consensus: consensus
      .replace(/^valid-after .*/m, `valid-after ${utc(NOON + 3600)}`)
      .replace(/^fresh-until .*/m, `fresh-until ${utc(NOON + 7200)}`)
      .replace(/^valid-until .*/m, `valid-until ${utc(NOON + 14_400)}`),
    microdescriptors,
  };

  test('comes after three lines that print what stands below them', () => {
    const [, expected = ''] =
      /^\/\/ ([0-9a-f]{64})$/m.exec(readFileSync(`${consumer}/three-lines.js`, 'utf8')) ?? [];
    expect(expected).toHaveLength(64);
    expect(run(['three-lines.js'], consumer)).toBe(`${expected}\n`);
  });

  test('is the text that is checked with the other sources', () => {
    const source = readFileSync(path.join(import.meta.dirname, 'example.js'), 'utf8');
    expect(readFileSync(path.join(consumer, 'example.js'), 'utf8')).toBe(source);
  });

  test('opens, rebuilds and places a descriptor with nothing installed but @noble', () => {
    const file = path.join(folder, 'example.json');
    writeFileSync(file, JSON.stringify(input));
    const made: unknown = JSON.parse(run(['example-run.js', file], consumer));
    const second = input.now - srvRunStart(TOR_NETWORK, PERIOD) + 1;
    expect(made).toMatchObject({
      counter: String(revisionCounterAt(noise('a counter key', 32), second)),
      authKeys: inner.introductionPoints.map(({ authKey }) => toHex(authKey)),
      addons: [],
    });
    const listed = parseConsensus(consensus).relays.map(({ fingerprint }) => toHex(fingerprint));
    expect((made as { relays: string[] }).relays.toSorted()).toEqual(listed.toSorted());
  });

  test('refuses the descriptor of another service', () => {
    const file = path.join(folder, 'example-of-another.json');
    writeFileSync(file, JSON.stringify({ ...input, address: ADDRESS }));
    expect(() => run(['example-run.js', file], consumer)).toThrow('WRONG_PERIOD');
  });
});

describe('the launchers of the unpacked tarball', () => {
  test.each(Object.entries(MANIFEST.bin))('%s says its version', (_, file) => {
    const launcher = path.join(complete, 'node_modules', 'onion-signer', file);
    expect(run([launcher, '--version'], complete).trim()).toBe(MANIFEST.version);
  });
});
