import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { open } from 'node:fs/promises';
import type { ControlConnection } from './connection.ts';
import { ControlError } from './error.ts';
import { parseReplyArguments } from './grammar.ts';

/** What tor says of itself before authentication (control-spec, PROTOCOLINFO). */
export interface ProtocolInfo {
  /** NULL, COOKIE, SAFECOOKIE, HASHEDPASSWORD. */
  readonly methods: readonly string[];
  readonly cookieFile: string | undefined;
  readonly torVersion: string | undefined;
}

const COOKIE_BYTES = 32;
const SERVER_KEY = 'Tor safe cookie authentication server-to-controller hash';
const CONTROLLER_KEY = 'Tor safe cookie authentication controller-to-server hash';

/** Asks PROTOCOLINFO. Throws CONTROL_SYNTAX, and what `send` throws. */
export async function readProtocolInfo(connection: ControlConnection): Promise<ProtocolInfo> {
  const { lines } = await connection.send('PROTOCOLINFO 1');
  const found = new Map(
    lines.map(({ text }) => [text.split(' ', 1)[0] ?? '', text.slice(text.indexOf(' ') + 1)]),
  );
  const auth = parseReplyArguments(found.get('AUTH') ?? '').keywords;
  const version = parseReplyArguments(found.get('VERSION') ?? '').keywords;
  const cookieFile = auth.get('COOKIEFILE');
  return {
    methods: (auth.get('METHODS') ?? '').split(',').filter(method => method !== ''),
    cookieFile: cookieFile === undefined ? undefined : Buffer.from(cookieFile, 'latin1').toString('utf8'),
    torVersion: version.get('Tor'),
  };
}

/**
 * Proves that we may read tor's cookie file (control-spec, AUTHCHALLENGE): SAFECOOKIE where offered, whose server hash shows
 * that the peer knows the cookie too. Plain COOKIE hands the file to the peer, so it is used only with a configured
 * `cookiePath`. Passwords are never used: they would be one more secret on this host.
 * Throws CONTROL_AUTH_METHOD, _COOKIE, _SERVER_HASH or _REFUSED, and what `send` throws.
 */
export async function authenticate(
  connection: ControlConnection,
  cookiePath?: string,
): Promise<ProtocolInfo> {
  const info = await readProtocolInfo(connection);
  if (info.methods.includes('SAFECOOKIE')) {
    const cookie = await readCookie(cookiePath ?? info.cookieFile);
    await prove(connection, await safeCookieProof(connection, cookie));
    return info;
  }
  if (info.methods.includes('COOKIE') && cookiePath !== undefined) {
    await prove(connection, await readCookie(cookiePath));
    return info;
  }
  throw new ControlError(
    'CONTROL_AUTH_METHOD',
    'Tor offers no cookie authentication; set CookieAuthentication 1 in its torrc.',
  );
}

async function safeCookieProof(connection: ControlConnection, cookie: Buffer): Promise<Buffer> {
  const clientNonce = randomBytes(32);
  const { lines } = await connection.send(`AUTHCHALLENGE SAFECOOKIE ${clientNonce.toString('hex')}`);
  const { keywords } = parseReplyArguments(lines[0]?.text ?? '');
  const serverHash = parseHash(keywords.get('SERVERHASH'));
  const serverNonce = parseHash(keywords.get('SERVERNONCE'));
  const message = Buffer.concat([cookie, clientNonce, serverNonce]);
  const expected = createHmac('sha256', SERVER_KEY).update(message).digest();
  if (!timingSafeEqual(expected, serverHash)) {
    throw new ControlError(
      'CONTROL_AUTH_SERVER_HASH',
      'The peer does not know the cookie; another program may hold the control port.',
    );
  }
  return createHmac('sha256', CONTROLLER_KEY).update(message).digest();
}

async function prove(connection: ControlConnection, proof: Buffer): Promise<void> {
  try {
    await connection.send(`AUTHENTICATE ${proof.toString('hex')}`);
  } catch (error) {
    if (!(error instanceof ControlError) || error.replyStatus === undefined) throw error;
    const message = 'Tor refused the cookie; is the path that of this tor?';
    throw new ControlError('CONTROL_AUTH_REFUSED', message, { replyStatus: error.replyStatus, cause: error });
  }
}

/** One byte more than wanted is asked for, so that a longer file shows; a device or pipe is not read at all. */
async function readCookie(path: string | undefined): Promise<Buffer> {
  try {
    if (path === undefined) throw new Error('no path');
    await using file = await open(path, 'r');
    if (!(await file.stat()).isFile()) throw new Error('not a regular file');
    const { buffer, bytesRead } = await file.read(Buffer.alloc(COOKIE_BYTES + 1), 0, COOKIE_BYTES + 1, 0);
    if (bytesRead !== COOKIE_BYTES) throw new Error('not 32 bytes');
    return buffer.subarray(0, COOKIE_BYTES);
  } catch (cause) {
    const message = 'The cookie file cannot be read as 32 bytes; give this user the group that owns it.';
    throw new ControlError('CONTROL_AUTH_COOKIE', message, { cause });
  }
}

function parseHash(text: string | undefined): Buffer {
  if (text === undefined || !/^[0-9A-Fa-f]{64}$/u.test(text)) {
    throw new ControlError('CONTROL_SYNTAX', 'The answer to AUTHCHALLENGE lacks its hash or nonce.');
  }
  return Buffer.from(text, 'hex');
}
