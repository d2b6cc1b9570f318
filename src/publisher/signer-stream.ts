import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls, createSecureContext, type SecureContext } from 'node:tls';
import { pinOf, readTlsIdentity, TLS_PROTOCOL, TLS_VERSION } from '../signer/program/tls-identity.ts';
import { ChildStream } from './child-stream.ts';
import type { SignerTarget, TlsTarget } from './config-signers.ts';
import { PublisherError } from './error.ts';

/** Calls back once, with a stream that reaches the signer or with an error. Gives what ends the attempt. */
export type Connect = (done: (error: Error | null, stream?: Duplex) => void) => () => void;

const HANDSHAKE_LIMIT_MS = 15_000;
const FIRST_BACK_OFF_MS = 1_000;
const LAST_BACK_OFF_MS = 30_000;

/**
 * The seam between HTTP and the byte stream that carries it: gives a function that opens a new stream to the signer.
 * `onLine` gets what a program says on standard error. SignerError TLS_KEY.
 */
export function signerConnector(target: SignerTarget, onLine: (line: string) => void): Connect {
  switch (target.kind) {
    case 'unix':
      return done => {
        const socket = connect({ path: target.path });
        done(null, socket);
        return () => undefined; // the request has it already, and ends it
      };
    case 'tls':
      return tlsConnector(target);
    case 'exec':
      return childConnector(target.argv, onLine);
  }
}

function tlsConnector({ host, port, pin, keyFile }: TlsTarget): Connect {
  const secureContext = contextOf(keyFile);
  return done => {
    const socket = connectTls({
      host,
      port,
      secureContext,
      ALPNProtocols: [TLS_PROTOCOL],
      // Its name says nothing; its key is compared below, before a byte of HTTP is written.
      servername: '',
      rejectUnauthorized: false,
    });
    let settled = false;
    const settle = (error: Error | null): void => {
      clearTimeout(timer);
      if (settled) return;
      settled = true;
      if (error === null) done(null, socket);
      else done(error);
    };
    const timer = setTimeout(() => socket.destroy(new PublisherError('SIGNER_TIMEOUT')), HANDSHAKE_LIMIT_MS);
    socket.on('error', settle);
    socket.once('close', () => settle(new PublisherError('SIGNER_CONNECT')));
    socket.once('secureConnect', () => {
      const certificate = socket.getPeerX509Certificate();
      const known = certificate !== undefined && pinOf(certificate) === pin;
      if (known && socket.alpnProtocol === TLS_PROTOCOL) settle(null);
      else socket.destroy(new PublisherError('SIGNER_PIN'));
    });
    return () => {
      if (!settled) socket.destroy(new PublisherError('SIGNER_TIMEOUT'));
    };
  };
}

function contextOf(keyFile: string): SecureContext {
  const { key, cert } = readTlsIdentity(keyFile);
  try {
    return createSecureContext({ ...TLS_VERSION, key, cert });
  } finally {
    key.fill(0);
  }
}

/** One program for each stream. One that ends without an answer is started again only after a pause that grows. */
function childConnector(argv: readonly [string, ...string[]], onLine: (line: string) => void): Connect {
  let backOffMs = 0;
  let notBefore = 0;
  return done => {
    if (performance.now() < notBefore) {
      done(new PublisherError('SIGNER_CONNECT', 'its program has just failed'));
      return () => undefined;
    }
    const onEnd = (useful: boolean): void => {
      backOffMs = useful ? 0 : Math.min(LAST_BACK_OFF_MS, Math.max(FIRST_BACK_OFF_MS, 2 * backOffMs));
      notBefore = performance.now() + backOffMs;
    };
    done(null, new ChildStream(argv, { onLine, onEnd }));
    return () => undefined;
  };
}
