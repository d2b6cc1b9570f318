/**
 * Main of the token process: the only process that loads a vendor module for service and sees identity and PIN.
 * One request on fd 3, one answer, then it ends.
 */

import { serveOneRequest } from './child-entry.ts';
import { unloadModules } from './pkcs11js.ts';
import { handleTokenRequest } from './token-requests.ts';

await serveOneRequest(handleTokenRequest, unloadModules);
