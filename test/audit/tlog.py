"""Signed notes and the proofs of RFC 6962, with Python's `cryptography` and nothing of onion-signer."""
import base64, hashlib, sys
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

def need(good, what):
    if not good: sys.exit(f"FAIL: {what}")

sha = lambda *parts: hashlib.sha256(b"".join(parts)).digest()

def verify(key, message, sig):
    try: Ed25519PublicKey.from_public_bytes(key).verify(sig, message)
    except (InvalidSignature, ValueError): return False
    return True

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

def inclusion(index, size, leaf, path):  # the root, from a path that is used up exactly
    need(0 <= index < size, "no such entry")
    if size == 1:
        need(not path, "the proof is too long")
        return leaf
    need(path, "the proof is too short")
    k = 1 << (size - 1).bit_length() - 1
    if index < k: return sha(b"\x01", inclusion(index, k, leaf, path[:-1]), path[-1])
    return sha(b"\x01", path[-1], inclusion(index - k, size - k, leaf, path[:-1]))

def consistency(m, n, old, path):  # both roots; `old` is that of m as long as the old tree is one on the left
    need(0 < m <= n, "no such head")
    if m == n:
        need(len(path) <= (not old), "the proof is too long")
        need(old or path, "the proof is too short")
        return (old or path[0],) * 2
    need(path, "the proof is too short")
    k = 1 << (n - 1).bit_length() - 1
    if m <= k:
        a, b = consistency(m, k, old, path[:-1])
        return (a, sha(b"\x01", b, path[-1]))
    a, b = consistency(m - k, n - k, None, path[:-1])
    return (sha(b"\x01", path[-1], a), sha(b"\x01", path[-1], b))
