"""Makes hash-ring.json: time periods, their descriptors and rings for periods of 4 to 14,400 minutes.

Written from rend-spec-v3 (2.2.1 to 2.3.1) and param-spec with whole minutes and rounds, as tor counts; it shares nothing
with the library. Everything comes from labels, so every run prints the same.
"""

import hashlib
import json

NETWORKS = [(10, 4), (10, 5), (10, 240), (15, 6), (20, 8), (25, 9), (60, 24), (300, 120), (300, 7),
            (3600, 30), (3600, 720), (3600, 1439), (3600, 1440), (3600, 1441), (3600, 2880), (3600, 14400)]
NODES = 24
BLINDED_KEY = bytes.fromhex('427ca6fe435c967b0c66301d38516bfccb7cebe1fa884eec7e35ead956b3ad6e')


def h(*parts):
    return hashlib.sha3_256(b''.join(parts)).digest()


def int8(value):
    return value.to_bytes(8, 'big')


def label(text):
    return hashlib.sha256(text.encode()).digest()


def period_number(va, v, length):
    return (va // 60 - 12 * v // 60) // length


def period_start(number, v, length):
    return number * length * 60 + 12 * v


def run_start(va, v):
    return va - (va // v % 24) * v


def two_descriptors(va, v, length):
    """The periods of the first and the second descriptor, and whether clients ask for the second."""
    start = run_start(va, v)
    next_start = period_start(period_number(start, v, length) + 1, v, length)
    now = period_number(va, v, length)
    if start <= va < next_start:
        return now, now + 1, False
    return now - 1, now, True


def disaster(number, length):
    return h(b'shared-random-disaster', int8(length), int8(number))


def directories(number, length, srv, replicas, spread):
    def place(node):
        return h(b'node-idx', label('node %d' % node), srv, int8(number), int8(length))

    ring = sorted(range(NODES), key=place)
    chosen = []
    for replica in range(1, replicas + 1):
        index = h(b'store-at-idx', BLINDED_KEY, int8(replica), int8(length), int8(number))
        first = next((i for i, node in enumerate(ring) if place(node) >= index), 0)
        walk = [node for node in ring[first:] + ring[:first] if node not in chosen]
        chosen += walk[:spread]
    return chosen


def moments(v, length):
    base = 1790000000 // (24 * v) * 24 * v
    drawn = int.from_bytes(label('%d %d' % (v, length))[:4], 'big')
    first_start = period_start(period_number(base, v, length) + 1, v, length)
    boundary = -(-first_start // v) * v
    return sorted({base, base + 11 * v, base + 12 * v, base + 23 * v, boundary - v, boundary,
                   base + drawn % 1000 * v})


def row(va, v, length):
    first, second, asks_second = two_descriptors(va, v, length)
    current, previous = label('current %d' % va), label('previous %d' % va)
    replicas, spread = 1 + va // v % 3, 1 + va // v % 5
    return {
        'validAfter': va,
        'now': period_number(va, v, length),
        'start': period_start(period_number(va, v, length), v, length),
        'first': first,
        'second': second,
        'asked': second if asks_second else first,
        'disaster': disaster(second, length).hex(),
        'replicas': replicas,
        'spread': spread,
        'onFirst': directories(first, length, previous, replicas, spread),
        'onSecond': directories(second, length, current, replicas, spread),
        'onDisaster': directories(second, length, disaster(second, length), replicas, spread),
    }


def main():
    rows = [{'votingInterval': v, 'periodLength': length,
             'moments': [row(va, v, length) for va in moments(v, length)]} for v, length in NETWORKS]
    source = 'made by hash-ring.py beside it, an implementation of its own; the test runs that again'
    print(json.dumps({'source': source, 'nodes': NODES, 'blindedKey': BLINDED_KEY.hex(), 'networks': rows}))


main()
