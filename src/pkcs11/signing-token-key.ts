import { type Bytes, assembleCert, encodeCertBody } from '../descriptor/index.ts';
import type { SignableDescriptor } from '../descriptor/index.ts';
import type { DescSigningKey, PointCert } from './desc-signing-key.ts';
import { CustodyError, type CustodyErrorCode } from './error.ts';
import type { TokenKeyRecord } from './signing-key-record.ts';
import { SIGNING_FRAME, encodePointCerts, encodeUnsigned, parseSignatures } from './signing-messages.ts';

/** So few that a card which takes a second for each makes nobody wait for long. */
const CERTS_AT_ONCE = 8;

/** The token that has the key. */
interface KeyToken {
  readonly status: { readonly errorCode: CustodyErrorCode | '' };
  check(): void;
  destroy(record: TokenKeyRecord): void;
}

/** A key in the token: this process knows its public half and where it is. */
export class TokenSigningKey implements DescSigningKey {
  readonly #record: TokenKeyRecord;
  readonly #ask: (type: number, payload: Uint8Array) => Promise<Uint8Array>;
  readonly #token: KeyToken;

  constructor(
    record: TokenKeyRecord,
    ask: (type: number, payload: Uint8Array) => Promise<Uint8Array>,
    token: KeyToken,
  ) {
    this.#record = record;
    this.#ask = ask;
    this.#token = token;
  }

  get kpHsDescSign(): TokenKeyRecord['kpHsDescSign'] {
    return this.#record.kpHsDescSign;
  }

  get fault(): CustodyErrorCode | '' {
    return this.#token.status.errorCode;
  }

  check(): void {
    this.#token.check();
  }

  async signDescriptor({ unsigned }: SignableDescriptor): Promise<Bytes> {
    const payload = encodeUnsigned(this.#record.id, unsigned);
    const [signature] = parseSignatures(await this.#ask(SIGNING_FRAME.descriptor, payload), 1);
    if (signature === undefined) throw new CustodyError('TOKEN_PROTOCOL');
    return signature;
  }

  async certify(certs: readonly PointCert[]): Promise<Bytes[]> {
    const made: Bytes[] = [];
    while (made.length < certs.length)
      made.push(...(await this.#certifyFew(certs.slice(made.length, made.length + CERTS_AT_ONCE))));
    return made;
  }

  async #certifyFew(certs: readonly PointCert[]): Promise<Bytes[]> {
    const payload = encodePointCerts(this.#record.id, certs);
    const answer = await this.#ask(SIGNING_FRAME.pointCerts, payload);
    return parseSignatures(answer, certs.length).map((signature, i) =>
      assembleCert(encodeCertBody({ ...certAt(certs, i), signingKey: this.kpHsDescSign }), signature),
    );
  }

  wipe(): void {
    // Nothing of it is in this process.
  }

  destroy(): void {
    this.#token.destroy(this.#record);
  }
}

function certAt(certs: readonly PointCert[], index: number): PointCert {
  const cert = certs[index];
  if (cert === undefined) throw new CustodyError('TOKEN_PROTOCOL');
  return cert;
}
