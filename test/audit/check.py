#!/usr/bin/env python3
"""Checks an exported journal against an onion address; standard library only, nothing of onion-signer.
usage: check.py BUNDLE ADDRESS [FILE ...]   FILE: a checkpoint kept elsewhere, or what `audit prove` printed"""
import base64, hashlib, json, os, sys

def need(good, what):
    if not good: sys.exit(f"FAIL: {what}")

P = 2**255 - 19; L = 2**252 + 27742317777372353535851937790883648493; D = -121665 * pow(121666, -1, P) % P
sha = lambda *parts: hashlib.sha256(b"".join(parts)).digest()

def point(b):
    y, sign = int.from_bytes(b, "little") & 2**255 - 1, b[31] >> 7
    xx = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(xx, (P + 3) // 8, P)
    if (x * x - xx) % P: x = x * pow(2, (P - 1) // 4, P) % P
    need((x * x - xx) % P == 0 and y < P, "a point is not on the curve")
    return (P - x if x & 1 != sign else x, y)

def add(a, b):
    t = D * a[0] * b[0] * a[1] * b[1] % P
    return ((a[0] * b[1] + b[0] * a[1]) * pow(1 + t, -1, P) % P, (a[1] * b[1] + a[0] * b[0]) * pow(1 - t, -1, P) % P)

def times(k, a):
    r = (0, 1)
    for bit in bin(k)[2:]:
        r = add(r, r)
        if bit == "1": r = add(r, a)
    return r

def verify(key, message, sig):
    s = int.from_bytes(sig[32:], "little")
    h = int.from_bytes(hashlib.sha512(sig[:32] + key + message).digest(), "little") % L
    base = point((4 * pow(5, -1, P) % P).to_bytes(32, "little"))
    return len(sig) == 64 and s < L and times(s, base) == add(point(sig[:32]), times(h, point(key)))

def note(raw, name, key, what):  # c2sp.org/signed-note
    text, _, lines = raw.rpartition("\n\n")
    prefix = sha(name.encode(), b"\n\x01", key)[:4]
    sigs = [base64.b64decode(l.split(" ")[2]) for l in lines.splitlines() if l.split(" ")[:2] == ["\u2014", name]]
    need(any(s[:4] == prefix and verify(key, (text + "\n").encode(), s[4:]) for s in sigs), f"{what}: bad signature")
    return text.split("\n")

def root(leaves):  # RFC 6962
    if len(leaves) == 1: return leaves[0]
    k = 1 << (len(leaves) - 1).bit_length() - 1
    return sha(b"\x01", root(leaves[:k]), root(leaves[k:]))

def inclusion(index, size, leaf, path):
    if size == 1: return leaf
    k = 1 << (size - 1).bit_length() - 1
    need(path, "the proof is too short")
    if index < k: return sha(b"\x01", inclusion(index, k, leaf, path[:-1]), path[-1])
    return sha(b"\x01", path[-1], inclusion(index - k, size - k, leaf, path[:-1]))

def consistency(m, n, old, path):  # both roots
    if m == n and old: return (old, old)
    need(path, "the proof is too short")
    if m == n: return (path[0], path[0])
    k = 1 << (n - 1).bit_length() - 1
    a, b = consistency(m, k, old, path[:-1]) if m <= k else consistency(m - k, n - k, None, path[:-1])
    return (a, sha(b"\x01", b, path[-1])) if m <= k else (sha(b"\x01", path[-1], a), sha(b"\x01", path[-1], b))

folder, address, *files = sys.argv[1:]
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
        both = consistency(old, n, root(leaves[:old]), hashes(lines[1:]))
        need(both == (root(leaves[:old]), value), f"{path}: not consistent")
    elif lines[1:2] == ["c2sp.org/tlog-proof@v1"]:  # c2sp.org/tlog-proof, behind its entry
        n, value = checkpoint(rest, path)
        leaf = sha(b"\0", lines[0].encode())
        need(inclusion(int(lines[2][6:]), n, leaf, hashes(lines[3:])) == value, f"{path}: not included")
    else: checkpoint(raw, path)
print(f"OK: {size} entries of {origin}, {len(texts & set(kept))} of {len(texts)} texts kept")
