#!/usr/bin/env python3
"""Checks an exported journal against an onion address; Python's `cryptography` and nothing of onion-signer.
usage: check.py BUNDLE ADDRESS [FILE ...]   FILE: a checkpoint kept elsewhere, or what `audit prove` printed"""
import base64, hashlib, json, os, sys

sys.dont_write_bytecode = True
from tlog import consistency, inclusion, need, note, root, sha

folder, address, *files = sys.argv[1:] if len(sys.argv) > 2 else sys.exit(__doc__.split("\n")[1])
read = lambda *path: open(os.path.join(folder, *path), "rb").read()
label = address.removesuffix(".onion")
address, binary = label + ".onion", base64.b32decode(label.upper())
need(hashlib.sha3_256(b".onion checksum" + binary[:32] + b"\x03").digest()[:2] == binary[32:34], "no onion address")

entries, size = [], int(read("checkpoint").decode().split("\n")[1])
for n in range((size + 255) // 256):  # c2sp.org/tlog-tiles
    digits = str(n).zfill(-(-len(str(n)) // 3) * 3)
    parts = [digits[i:i + 3] for i in range(0, len(digits), 3)]
    name = "/".join(["x" + p for p in parts[:-1]] + parts[-1:]) + (f".p/{size % 256}" if size < 256 * n + 256 else "")
    data, bundle = read("tile", "entries", name), []
    while data: bundle, data = bundle + [data[2:2 + int.from_bytes(data[:2], "big")]], data[2 + int.from_bytes(data[:2], "big"):]
    need(read("tile", "0", name) == b"".join(sha(b"\0", e) for e in bundle), "a tile is not that of its entries")
    entries += bundle
leaves = [sha(b"\0", e) for e in entries]
need(len(entries) == size, "entries are missing")

origin, keys, texts = "", {}, set()
for entry in map(json.loads, entries):
    if entry["kind"] in ("genesis", "recovered"): origin = entry["origin"]
    texts |= {*entry.get("texts", []), *entry.get("evidence", [])}
    if entry["kind"] == "vouched" and entry["note"].split("\n")[1] == address:
        title, _, vkey = note(entry["note"], address, binary[:32], "vouching")
        need(title == "onion-signer checkpoint key 1" and vkey.split("+")[0] == origin, "vouching for another key")
        keys[origin] = base64.b64decode(vkey.split("+", 2)[2])[1:]
need(origin in keys, "the address does not vouch for the checkpoint key")

def checkpoint(raw, what):  # c2sp.org/tlog-checkpoint
    name = raw.split("\n")[0]
    need(name in keys, f"{what}: nobody vouched for its key")
    _, n, value = note(raw, name, keys[name], what)
    need(int(n) > 0, f"{what}: no head")
    need(int(n) <= size, f"{what}: truncated, it knows of {n} entries")
    need(root(leaves[:int(n)]) == base64.b64decode(value), f"{what}: rewritten, another root of {n} entries")
    return int(n), base64.b64decode(value)

for name in sorted(os.listdir(os.path.join(folder, "checkpoints")), key=int) + [None]:
    raw = read("checkpoints", name) if name else read("checkpoint")
    if name is None or raw.decode().split("\n")[0] in keys: checkpoint(raw.decode(), f"checkpoint {name or 'newest'}")
kept = os.listdir(os.path.join(folder, "texts"))
for name in kept: need(hashlib.sha256(read("texts", name)).hexdigest() == name, f"text {name} was changed")
for path in files:
    raw = open(path, encoding="utf-8").read()
    body, _, rest = raw.partition("\n\n")
    lines = body.split("\n")
    hashes = lambda some: [base64.b64decode(line) for line in some]
    if lines[0].startswith("old "):  # c2sp.org/tlog-witness
        old, (n, value) = int(lines[0][4:]), checkpoint(rest, path)
        need(0 < old <= n, f"{path}: no such head")
        both = consistency(old, n, root(leaves[:old]), hashes(lines[1:]))
        need(both == (root(leaves[:old]), value), f"{path}: not consistent")
    elif lines[1:2] == ["c2sp.org/tlog-proof@v1"]:  # c2sp.org/tlog-proof, behind its entry
        n, value = checkpoint(rest, path)
        leaf = sha(b"\0", lines[0].encode())
        need(inclusion(int(lines[2][6:]), n, leaf, hashes(lines[3:])) == value, f"{path}: not included")
    else: checkpoint(raw, path)
print(f"OK: {size} entries of {origin}, {len(texts & set(kept))} of {len(texts)} texts kept")
