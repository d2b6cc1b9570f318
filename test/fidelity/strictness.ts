import { DescriptorError } from '../../src/descriptor/error.ts';
import type { Bytes, TimePeriod } from '../../src/descriptor/index.ts';
import { openDescriptor } from '../../src/descriptor/open.ts';
import { srvRunStart } from '../../src/descriptor/time.ts';
import { forge, identity } from '../descriptor/forge.ts';
import { FetchRefused } from './fetch-text.ts';
import { UploadRefused, publishAndFetch } from './publish.ts';
import type { StockServices } from './stock.ts';
import type { StrictnessCase, Verdict } from './strictness-cases.ts';

/** Has stock tor and our reader judge one case. */
export async function judge(
  stock: StockServices,
  { forgery }: StrictnessCase,
  serial: number,
): Promise<{ tor: Verdict; ours: Verdict }> {
  const label = `strictness ${serial}`;
  const { kpHsId } = identity(label);
  let ours: Verdict = 'taken';
  const build = (period: TimePeriod, at: number): Bytes => {
    const counter = 40_000n * BigInt(at - srvRunStart(stock.profile, period) + 1);
    const { text } = forge({ label, period, at, counter, ...forgery({ label, period, at }) });
    try {
      openDescriptor(text, { kpHsId, periods: [period], nowSeconds: at });
      ours = 'taken';
    } catch (error) {
      if (!(error instanceof DescriptorError)) throw error;
      ours = error.code;
    }
    return text;
  };
  try {
    await publishAndFetch(stock, kpHsId, build);
    return { tor: 'taken', ours };
  } catch (error) {
    if (error instanceof UploadRefused) return { tor: `upload: ${error.reason}`, ours };
    if (error instanceof FetchRefused) return { tor: `fetch: ${error.reason}`, ours };
    throw error;
  }
}
