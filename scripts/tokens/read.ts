import { Ajv } from 'ajv';
import { type TokenProbe, TokenProbeSchema } from '../../src/signer/contract/token-probe.ts';

const validate = new Ajv({ strict: true }).compile<TokenProbe>(TokenProbeSchema);

/** What somebody submitted. Throws a SyntaxError for what is none. */
export function readProbe(text: string): TokenProbe {
  const value: unknown = JSON.parse(text);
  if (validate(value)) return value;
  const [first] = validate.errors ?? [];
  throw new SyntaxError(
    `not the output of token probe: ${first?.instancePath ?? ''} ${first?.message ?? ''}`,
  );
}
