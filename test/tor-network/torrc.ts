import type { AuthorityKeys } from './ceremony.ts';

/** An authority with its place on loopback. */
export interface Authority extends AuthorityKeys {
  readonly orPort: number;
  readonly dirPort: number;
}

/** What every tor of one network shares. */
export interface NetworkSettings {
  readonly authorities: readonly Authority[];
  readonly votingIntervalSeconds: number;
  /** Votes of all authorities for consensus parameters. */
  readonly consensusParams: Readonly<Record<string, number>>;
}

/** What is particular to one tor. */
export interface NodeSettings {
  /** Stands in for the address tables of countries, which take long to read. */
  readonly emptyFile: string;
  readonly name: string;
  readonly dataDirectory: string;
  readonly controlPort: number;
}

/** Lines for every tor of the network. */
export function commonLines(network: NetworkSettings, node: NodeSettings): string[] {
  return [
    'TestingTorNetwork 1',
    ...network.authorities.map(
      ({ name, orPort, dirPort, v3Identity, fingerprint }) =>
        `DirAuthority ${name} orport=${orPort} v3ident=${v3Identity} 127.0.0.1:${dirPort} ${fingerprint}`,
    ),
    `Nickname ${node.name}`,
    `DataDirectory ${quote(node.dataDirectory)}`,
    'Address 127.0.0.1',
    `ControlPort 127.0.0.1:${node.controlPort}`,
    'CookieAuthentication 1',
    `__OwningControllerProcess ${process.pid}`,
    'RunAsDaemon 0',
    'ShutdownWaitLength 0',
    'PathsNeededToBuildCircuits 0.67',
    'NumCPUs 1',
    `GeoIPFile ${quote(node.emptyFile)}`,
    `GeoIPv6File ${quote(node.emptyFile)}`,
    'AvoidDiskWrites 1',
    'SafeLogging 0',
    'Log notice stdout',
  ];
}

/** An authority votes and is a relay as well. */
export function authorityLines(network: NetworkSettings, self: Authority): string[] {
  const params = Object.entries(network.consensusParams).map(([name, value]) => `${name}=${value}`);
  return [
    'AuthoritativeDirectory 1',
    'V3AuthoritativeDirectory 1',
    `ORPort 127.0.0.1:${self.orPort}`,
    `DirPort 127.0.0.1:${self.dirPort}`,
    'SocksPort 0',
    'ContactInfo none',
    'AssumeReachable 1',
    'ExitPolicy reject *:*',
    'TestingDirAuthVoteExit *',
    'TestingDirAuthVoteHSDir *',
    'TestingDirAuthVoteGuard *',
    'TestingMinExitFlagThreshold 0',
    'V3AuthNIntervalsValid 2',
    ...votingLines(network.votingIntervalSeconds),
    ...(params.length === 0 ? [] : [`ConsensusParams ${params.join(' ')}`]),
  ];
}

function votingLines(interval: number): string[] {
  const delay = interval >= 20 ? 4 : 2;
  return [
    `V3AuthVotingInterval ${interval}`,
    `V3AuthVoteDelay ${delay}`,
    `V3AuthDistDelay ${delay}`,
    `TestingV3AuthInitialVotingInterval ${interval}`,
    `TestingV3AuthInitialVoteDelay ${delay}`,
    `TestingV3AuthInitialDistDelay ${delay}`,
  ];
}

export function relayLines(orPort: number): string[] {
  return [
    `ORPort 127.0.0.1:${orPort}`,
    'SocksPort 0',
    'AssumeReachable 1',
    'ExitRelay 1',
    'ExitPolicy accept 127.0.0.0/8:*',
    'ExitPolicy reject *:*',
  ];
}

/** A client; the extended errors say why an onion service was not reached. */
export function clientLines(socksPort: number): string[] {
  return [`SocksPort 127.0.0.1:${socksPort} ExtendedErrors`];
}

/** A backend: an onion service that also answers for a master address where `instance` is set. */
export function backendLines(hiddenServiceDirectory: string, webPort: number, instance: boolean): string[] {
  return [
    `HiddenServiceDir ${quote(hiddenServiceDirectory)}`,
    `HiddenServicePort 80 127.0.0.1:${webPort}`,
    ...(instance ? ['HiddenServiceOnionBalanceInstance 1'] : []),
  ];
}

function quote(path: string): string {
  return `"${path.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}
