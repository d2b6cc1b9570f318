import { once } from 'node:events';
import { request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { Counter, formatExposition, Histogram } from '../../../src/signer/program/exposition.ts';
import { serveMetrics } from '../../../src/signer/program/metrics-server.ts';
import { readExposition } from '../../exposition.ts';

const family = { name: 'a_total', type: 'counter', help: 'What a is.' } as const;

describe('the exposition format', () => {
  it('is read by a strict reader as it was meant', () => {
    const counter = new Counter();
    counter.add({ service: 'x', rule: 'A\\B"C\nD' });
    counter.add({ service: 'x', rule: 'A\\B"C\nD' }, 2);
    counter.add({});
    const histogram = new Histogram([0.1, 1]);
    for (const value of [0.05, 0.1, 0.5, 7]) histogram.observe({ route: '/' }, value);
    histogram.observe({ route: '/b' }, 1);
    const text = formatExposition([
      { ...family, samples: counter.samples() },
      { name: 'h_seconds', type: 'histogram', help: 'h \\ \n h', samples: histogram.samples() },
      { name: 'none', type: 'gauge', help: 'Left out.', samples: [] },
    ]);
    const read = readExposition(text);
    expect(read.get('a_total')?.samples).toEqual([
      { name: 'a_total', labels: { service: 'x', rule: 'A\\B"C\nD' }, value: 3 },
      { name: 'a_total', labels: {}, value: 1 },
    ]);
    const h = read.get('h_seconds')!;
    expect(h.samples.map(({ name, labels, value }) => [name, labels['le'], value]).slice(0, 5)).toEqual([
      ['h_seconds_bucket', '0.1', 2],
      ['h_seconds_bucket', '1', 3],
      ['h_seconds_bucket', '+Inf', 4],
      ['h_seconds_sum', undefined, 7.65],
      ['h_seconds_count', undefined, 4],
    ]);
    expect([...read.keys()]).toEqual(['a_total', 'h_seconds']);
  });

  const head = '# HELP a_total x\n# TYPE a_total counter\n';
  it.each([
    ['no last line feed', `${head}a_total 1`],
    ['a name of another family', `${head}b_total 1\n`],
    ['a sample twice', `${head}a_total 1\na_total 2\n`],
    ['no help', '# TYPE a_total counter\na_total 1\n'],
    ['a counter without _total', '# HELP a x\n# TYPE a counter\na 1\n'],
    ['a quote that is not escaped', `${head}a_total{b="c"d"} 1\n`],
    ['no number', `${head}a_total x\n`],
    ['two spaces', `${head}a_total  1\n`],
    ['a family twice', `${head}a_total 1\n${head}a_total{b="c"} 1\n`],
    [
      'a histogram that descends',
      '# HELP h x\n# TYPE h histogram\nh_bucket{le="1"} 2\nh_bucket{le="+Inf"} 1\nh_sum 1\nh_count 1\n',
    ],
  ])('is checked by that reader: %s', (_, text) => {
    expect(readExposition(`${head}a_total 1\n`).size).toBe(1);
    expect(() => readExposition(text)).toThrow();
  });
});

describe('a listener for numbers', () => {
  it('answers GET /metrics to this host by its own name, and nothing else', async () => {
    let broken = false;
    const server = await serveMetrics({ host: '127.0.0.1', port: 0 }, async () => {
      if (broken) throw new Error('x');
      return [{ ...family, samples: [{ value: 1 }] }];
    });
    const { port } = server.address() as AddressInfo;
    const ask = async (
      path: string,
      method = 'GET',
      host = 'localhost',
    ): Promise<[number | undefined, string]> => {
      const asked = request({ host: '127.0.0.1', port, path, method, headers: { host }, agent: false });
      asked.end();
      const [answer] = (await once(asked, 'response')) as [NodeJS.ReadableStream & { statusCode?: number }];
      let text = '';
      for await (const chunk of answer) text += String(chunk);
      return [answer.statusCode, text];
    };
    const [status, text] = await ask('/metrics');
    expect([status, [...readExposition(text).keys()]]).toEqual([200, ['a_total']]);
    expect((await ask('/metrics', 'GET', `127.0.0.1:${port}`))[0]).toBe(200);
    expect(await ask('/metrics', 'GET', 'evil.example')).toEqual([403, '']);
    expect(await ask('/')).toEqual([404, '']);
    expect(await ask('/metrics', 'POST')).toEqual([405, '']);
    broken = true;
    expect(await ask('/metrics')).toEqual([503, '']);
    await expect(serveMetrics({ host: '127.0.0.1', port }, async () => [])).rejects.toMatchObject({
      code: 'LISTEN',
    });
    await server[Symbol.asyncDispose]();
  });
});
