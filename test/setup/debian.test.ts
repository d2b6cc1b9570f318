import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { aptLine, plannedPackages, privateEnvironment } from '../../scripts/setup/apt.js';
import { missingOn, missingPackages } from '../../scripts/setup/debian.js';
import { programOnPath } from '../../scripts/setup/programs.js';

const NOTHING = { program: () => undefined, exists: () => false };
const EVERYTHING = { program: (name: string) => `/usr/bin/${name}`, exists: () => true };

describe('missing Debian packages', () => {
  test('an empty machine lacks all of them', () => {
    expect(missingOn(NOTHING, ['compile'])).toEqual(['g++', 'make']);
    expect(missingOn(NOTHING, ['system'])).toEqual(['python3']);
    expect(missingOn(NOTHING, ['run'])).toEqual([
      'tor',
      'softhsm2',
      'python3-stem',
      'python3-cryptography',
      'onionbalance',
      'age',
      'openssh-client',
      'libfaketime',
      'systemd',
      'opensc-pkcs11',
    ]);
  });

  test('a complete machine lacks none, and this one, after set-up, is complete but for what set-up unpacked', () => {
    expect(missingOn(EVERYTHING, ['compile', 'system', 'run'])).toEqual([]);
    expect(missingPackages('system')).toEqual([]);
  });

  test('SoftHSM counts only with its module', () => {
    expect(missingOn({ ...EVERYTHING, exists: file => !file.endsWith('libsofthsm2.so') }, ['run'])).toEqual([
      'softhsm2',
    ]);
  });

  test('the line for a person with root names the packages and asks nothing', () => {
    expect(aptLine(['g++', 'make'])).toBe(
      'apt-get update && apt-get install -y --no-install-recommends g++ make',
    );
  });

  test('what a simulated installation would add is read from its lines', () => {
    const plan =
      'Reading package lists...\nInst libevent-2.1-7 (2.1.12 Debian:12 [amd64])\nInst tor (0.4.9 [amd64])\nConf tor (0.4.9)\n';
    expect(plannedPackages(plan)).toEqual(['libevent-2.1-7', 'tor']);
  });
});

describe('packages unpacked without root', () => {
  test('their programs come after those of the machine, their libraries and Python packages are found', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'setup-'));
    try {
      mkdirSync(path.join(folder, 'root/usr/lib/x86_64-linux-gnu'), { recursive: true });
      expect(privateEnvironment(folder, { PATH: '/usr/bin' })).toEqual({ PATH: '/usr/bin' });
      writeFileSync(path.join(folder, 'unpacked.json'), '["tor"]');
      expect(privateEnvironment(folder, { PATH: '/usr/bin', HOME: '/nowhere' })).toEqual({
        HOME: '/nowhere',
        PATH: `${folder}/bin:/usr/bin:${folder}/root/usr/bin:${folder}/root/usr/sbin`,
        LD_LIBRARY_PATH: `${folder}/root/usr/lib/x86_64-linux-gnu`,
        PYTHONPATH: `${folder}/root/usr/lib/python3/dist-packages`,
      });
      // Where Debian 12 has the programs of systemd and what they share.
      for (const own of ['bin', 'usr/lib/x86_64-linux-gnu/systemd'])
        mkdirSync(path.join(folder, 'root', own), { recursive: true });
      const { PATH, LD_LIBRARY_PATH } = privateEnvironment(folder, { PATH: '/usr/bin' });
      expect([PATH?.split(':').at(-1), LD_LIBRARY_PATH?.split(':')]).toEqual([
        `${folder}/root/bin`,
        [`${folder}/root/usr/lib/x86_64-linux-gnu`, `${folder}/root/usr/lib/x86_64-linux-gnu/systemd`],
      ]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

test('a program is looked for in PATH and in the folders for administrators, not in the current folder', () => {
  expect(programOnPath('sh', '/usr/bin')).toBe('/usr/bin/sh');
  expect(programOnPath('sh', '.:')).toBeUndefined();
  expect(programOnPath('no-such-program-here', '/usr/bin')).toBeUndefined();
});
