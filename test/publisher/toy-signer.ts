import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import {
  assembleCert,
  CERT_TYPE,
  ed25519Verify,
  encodeCertBody,
  type Evidence,
  formatOnionAddress,
  innerCertExpiryHours,
  type IntroductionPoint,
  type NetworkProfile,
  parseOnionAddress,
  proveEvidence,
  publicationWindow,
  publishablePeriods,
  revisionCounterAt,
  srvRunStart,
  type TimePeriod,
  x25519ToEd25519,
} from '../../src/descriptor/index.ts';
import { problemBody } from '../../src/signer/contract/problems.ts';
import {
  parseSignRequest,
  type ServiceDescription,
  type SignAnswer,
  type SignedDescriptor,
  type SignRequest,
} from '../../src/signer/contract/requests.ts';
import { ed25519Pair, forge, identity, noise } from '../descriptor/forge.ts';

/** The text that a signer with the identity `label` makes for these points at `at` (Unix seconds). */
export function signText(
  label: string,
  profile: NetworkProfile,
  period: TimePeriod,
  at: number,
  points: readonly IntroductionPoint[],
): SignedDescriptor {
  const signer = ed25519Pair(`${label} descriptor signing ${period.periodNum}`);
  const expiryHours = innerCertExpiryHours(at);
  const certify = (certType: 9 | 11, certifiedKey: Uint8Array): Uint8Array => {
    const body = encodeCertBody({ certType, expiryHours, certifiedKey, signingKey: signer.publicKey });
    return assembleCert(body, signer.sign(body));
  };
  const counter = revisionCounterAt(
    noise(`${label} K ${period.periodNum}`, 32),
    at - srvRunStart(profile, period) + 1,
  );
  const { text } = forge({
    label,
    period,
    at,
    counter,
    points: points.length,
    editPoint: (_, index) => {
      const point = points[index]!;
      return {
        ...point,
        authKeyCert: certify(CERT_TYPE.authKey, point.authKey),
        encKeyCert: certify(CERT_TYPE.encKey, x25519ToEd25519(point.encKey)),
      };
    },
  });
  return {
    period,
    variant: 0,
    useFrom: at,
    revisionCounter: counter.toString(),
    text: Buffer.from(text).toString('latin1'),
  };
}

export type ToySignerOptions = {
  readonly socket: string;
  readonly profile: NetworkProfile;
  readonly backends: readonly { readonly name: string; readonly address: string }[];
  readonly limits?: ServiceDescription['limits'];
  /** Seconds between two texts of the shelf, and how many beyond the first. */
  readonly step?: number;
  readonly ahead?: number;
  /** Unix seconds. */
  readonly now?: () => number;
};

/**
 * A signer without custody, policy or journal, on a real Unix socket: for tests of the publisher only. `answer` lets a
 * test put its own answer in front.
 */
export class ToySigner {
  readonly service = 'frontpage';
  readonly address: string;
  readonly requests: SignRequest[] = [];
  /** Serial of what texts carry. */
  settings = 1;
  answer: ((request: IncomingMessage, body: Buffer, response: ServerResponse) => boolean) | undefined;
  /** Backend whose descriptor it refuses, as a signer does that knows better. */
  refused: string | undefined;
  spoil: (answer: SignAnswer) => SignAnswer = answer => answer;
  readonly #options: ToySignerOptions;
  readonly #answers = new Map<string, SignAnswer>();
  #server: Server | undefined;
  #lastSecond = 0;

  constructor(options: ToySignerOptions) {
    this.#options = options;
    this.address = formatOnionAddress(identity('toy').kpHsId);
  }

  get description(): ServiceDescription {
    const { name, votingIntervalSeconds, periodLengthMinutes } = this.#options.profile;
    return {
      service: this.service,
      address: this.address,
      network: { name, votingIntervalSeconds, periodLengthMinutes },
      backends: this.#options.backends.map(backend => ({ ...backend })),
      limits: this.#options.limits ?? {
        minPoints: 1,
        maxPoints: 20,
        minBackends: 1,
        maxPointsPerBackend: 20,
      },
      runwaySeconds: 21_600,
      settings: this.settings,
    };
  }

  async start(): Promise<void> {
    this.#server = createServer((request, response) => {
      void readAll(request).then(body => this.#handle(request, body, response));
    });
    await once(this.#server.listen(this.#options.socket), 'listening');
  }

  async stop(): Promise<void> {
    this.#server?.closeAllConnections();
    const closed = this.#server === undefined ? undefined : once(this.#server, 'close');
    this.#server?.close();
    await closed;
    this.#server = undefined;
  }

  #handle(request: IncomingMessage, body: Buffer, response: ServerResponse): void {
    if (this.answer?.(request, body, response) === true) return;
    if (request.url === '/v1/services') return send(response, 200, { services: [this.description] });
    if (request.url === '/v1/descriptors/check') {
      const { service } = parseSignRequest(body);
      return send(response, 200, { service, verdict: 'approved', periods: [] });
    }
    if (request.url !== '/v1/descriptors') return send(response, 404, problemBody('NOT_FOUND'));
    const parsed = parseSignRequest(body);
    this.requests.push(parsed);
    const bad = this.#refusedOf(parsed);
    if (bad !== undefined) return send(response, 422, problemBody('EVIDENCE_INVALID', { evidence: bad }));
    const answer = this.#answers.get(parsed.id) ?? this.sign(parsed);
    this.#answers.set(parsed.id, answer);
    send(response, 200, this.spoil(answer));
  }

  /** Digest of the descriptor that the refused backend sent, if it did. */
  #refusedOf({ evidence }: SignRequest): string | undefined {
    const bad = this.#options.backends.find(({ name }) => name === this.refused);
    if (bad === undefined) return undefined;
    const now = this.#options.now?.() ?? Date.now() / 1000;
    const proven = evidence.map(text => this.#prove(text, now));
    return proven.find(({ backend }) => formatOnionAddress(backend) === bad.address)?.digest;
  }

  /** Proves the evidence as the real one does, then signs for the points. */
  sign(request: SignRequest): SignAnswer {
    const { profile, step = 60, ahead = 3 } = this.#options;
    const clock = Math.floor(this.#options.now?.() ?? Date.now() / 1000);
    const now = Math.max(clock, this.#lastSecond + 1);
    this.#lastSecond = now;
    const proven = request.evidence.map(text => this.#prove(text, now));
    const points = request.points.map(({ evidence, index }) => {
      const point = proven.find(({ digest }) => digest === evidence)?.points[index];
      if (point === undefined) throw new Error('a point without evidence');
      return point;
    });
    const descriptors = publishablePeriods(profile, now).flatMap(period =>
      Array.from({ length: ahead + 1 }, (_, place) => now + place * step)
        .filter(at => at < publicationWindow(profile, period).to)
        .map(at => signText('toy', profile, period, at, points)),
    );
    const { id, service } = request;
    const { address, settings } = this;
    return { id, service, address, settings, descriptors, checkpoint: `toy\n${this.requests.length}\n` };
  }

  #prove(text: string, now: number): Evidence {
    const { profile, backends } = this.#options;
    for (const { address } of backends) {
      try {
        return proveEvidence(Buffer.from(text, 'utf8'), {
          backend: parseOnionAddress(address),
          profile,
          periods: publishablePeriods(profile, now),
          verify: ed25519Verify,
        });
      } catch {
        continue;
      }
    }
    throw new Error('evidence of no backend');
  }
}

export function send(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

async function readAll(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}
