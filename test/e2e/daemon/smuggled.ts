const inner = 'GET /v1/services HTTP/1.1\r\nHost: x\r\n\r\n';
const head = 'POST /v1/descriptors HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';

/**
 * Bytes that two readers of HTTP may read as different requests, each with a request for the services behind it, and the
 * status that ends the connection.
 */
export const SMUGGLED: readonly (readonly [what: string, bytes: string, status: number])[] = [
  [
    'a length and chunks',
    `${head}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${inner}`,
    400,
  ],
  [
    'chunks and a length',
    `${head}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n${inner}`,
    400,
  ],
  ['two lengths', `${head}Content-Length: 0\r\nContent-Length: 40\r\n\r\n${inner}`, 400],
  ['one length twice', `${head}Content-Length: 0\r\nContent-Length: 0\r\n\r\n${inner}`, 400],
  ['a length that is no number', `${head}Content-Length: +0\r\n\r\n${inner}`, 400],
  ['an unknown coding', `${head}Transfer-Encoding: identity, chunked \x0b\r\n\r\n0\r\n\r\n${inner}`, 400],
  ['a header that is folded', `${head}X-A: b\r\n Content-Length: 0\r\n\r\n${inner}`, 400],
  ['a space before the colon', `${head}Content-Length : 0\r\n\r\n${inner}`, 400],
  ['headers beyond 8 kB', `${head}X-Long: ${'x'.repeat(8192)}\r\n\r\n${inner}`, 431],
  ['no request line', `garbage\r\n\r\n${inner}`, 400],
];
