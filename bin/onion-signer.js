#!/usr/bin/env -S node --max-semi-space-size=8
// Without the flag texts of 40 kB that live for a request let a daemon's young generation grow to 64 MB.
import { launch } from './launch.js';

await launch('signer');
