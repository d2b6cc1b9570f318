import type { ChildProcess } from 'node:child_process';

/**
 * Children end with this process: hard at its exit, and at SIGINT, SIGTERM and SIGHUP, which then take their usual
 * course. Of SIGKILL nothing can be told; then each tor sees its owning control connection close.
 */
const children = new Set<ChildProcess>();
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export function watchChild(child: ChildProcess): void {
  if (children.size === 0) {
    process.on('exit', killChildren);
    for (const signal of SIGNALS) process.on(signal, passOn);
  }
  children.add(child);
}

export function forgetChild(child: ChildProcess): void {
  children.delete(child);
  if (children.size > 0) return;
  process.off('exit', killChildren);
  for (const signal of SIGNALS) process.off(signal, passOn);
}

function killChildren(): void {
  for (const child of children) child.kill('SIGKILL');
}

function passOn(signal: NodeJS.Signals): void {
  killChildren();
  for (const each of SIGNALS) process.off(each, passOn);
  if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
}
