// Searches the memory of a process. Input on standard input, as JSON: its id, and names and hex digits of what to look for.
import { json } from 'node:stream/consumers';
import { scanProcess } from '../memory-scan.ts';

const { pid, needles } = (await json(process.stdin)) as {
  pid: number;
  needles: { name: string; hex: string }[];
};
const named = needles.map(({ name, hex }) => ({ name, bytes: Buffer.from(hex, 'hex') }));
process.stdout.write(JSON.stringify(scanProcess(pid, named)));
