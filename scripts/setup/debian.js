// Debian packages: which are needed, which are missing. How to get them is in apt.js.

import { existsSync } from 'node:fs';
import { programOnPath } from './programs.js';

/**
 * @typedef {'compile' | 'system' | 'run'} Purpose
 *   compile: builds the native addon; system: must come from the system itself; run: for tests and demo
 * @typedef {{name: string, purpose: Purpose, present: (machine: Machine) => boolean}} DebianPackage
 * @typedef {{program: (name: string) => string | undefined, exists: (file: string) => boolean}} Machine
 */

export const SOFTHSM_MODULE = '/usr/lib/softhsm/libsofthsm2.so';
const MULTIARCH = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';
/** Stands between a caller and a PKCS#11 module and writes down the calls. */
export const SPY_MODULE = `/usr/lib/${MULTIARCH}/pkcs11-spy.so`;
/** Moves the clock of a process. */
export const FAKETIME = `/usr/lib/${MULTIARCH}/faketime/libfaketime.so.1`;
export const PYTHON_PACKAGES = '/usr/lib/python3/dist-packages';

/** @type {DebianPackage[]} */
const PACKAGES = [
  { name: 'g++', purpose: 'compile', present: machine => machine.program('g++') !== undefined },
  { name: 'make', purpose: 'compile', present: machine => machine.program('make') !== undefined },
  { name: 'python3', purpose: 'system', present: machine => machine.exists('/usr/bin/python3') },
  { name: 'tor', purpose: 'run', present: machine => machine.program('tor') !== undefined },
  {
    name: 'softhsm2',
    purpose: 'run',
    present: machine => machine.program('softhsm2-util') !== undefined && machine.exists(SOFTHSM_MODULE),
  },
  {
    name: 'python3-stem',
    purpose: 'run',
    present: machine => machine.exists(`${PYTHON_PACKAGES}/stem/__init__.py`),
  },
  {
    // stem opens descriptors with it, but only suggests it.
    name: 'python3-cryptography',
    purpose: 'run',
    present: machine => machine.exists(`${PYTHON_PACKAGES}/cryptography/__init__.py`),
  },
  {
    // Only its reader of descriptors is used.
    name: 'onionbalance',
    purpose: 'run',
    present: machine => machine.exists(`${PYTHON_PACKAGES}/onionbalance/__init__.py`),
  },
  { name: 'age', purpose: 'run', present: machine => machine.program('age') !== undefined },
  { name: 'openssh-client', purpose: 'run', present: machine => machine.program('ssh-keygen') !== undefined },
  { name: 'libfaketime', purpose: 'run', present: machine => machine.exists(FAKETIME) },
  {
    // Reads our units and makes our users; it is not started.
    name: 'systemd',
    purpose: 'run',
    present: machine =>
      machine.program('systemd-analyze') !== undefined && machine.program('systemd-sysusers') !== undefined,
  },
  { name: 'opensc-pkcs11', purpose: 'run', present: machine => machine.exists(SPY_MODULE) },
];

/** @type {Machine} */
const THIS_MACHINE = { program: name => programOnPath(name), exists: existsSync };

/**
 * The names of the packages that this machine lacks for these purposes.
 * @param {...Purpose} purposes
 * @returns {string[]}
 */
export function missingPackages(...purposes) {
  return missingOn(THIS_MACHINE, purposes);
}

/**
 * @param {Machine} machine
 * @param {Purpose[]} purposes
 * @returns {string[]}
 */
export function missingOn(machine, purposes) {
  return PACKAGES.filter(({ purpose, present }) => purposes.includes(purpose) && !present(machine)).map(
    ({ name }) => name,
  );
}
