"""Makes period-lengths.json: how often clients find nothing when a time period is not one run of shared randomness.

One service as stock tor keeps it: two descriptors, made at its start and rotated at every start of a run (24 voting
intervals); uploads under every consensus to the two rings that the consensus gives; a directory keeps what it got for
three hours. A client asks for the period that contains valid-after, on the ring that the same consensus gives it.
Counted are the consensuses under which no upload of the last three hours, of that period, went to that ring.
"""

import json

V = 3600
RUN = 24 * V
LENGTHS = [30, 60, 720, 1080, 1380, 1440, 1500, 2160, 2880, 4320, 14400]
CONSENSUSES = 24 * 400
KEPT = 3


def period_number(at, length):
    return (at // 60 - 12 * V // 60) // length


def clients_ask_second(va, length):
    start = va - va % RUN
    next_start = (period_number(start, length) + 1) * length * 60 + 12 * V
    return not start <= va < next_start


def missed(length):
    begin = 20000 * 86400
    current = following = None
    rotation = 0
    uploads, misses = [], 0
    for step in range(CONSENSUSES):
        va = begin + step * V
        run, now = va // RUN, period_number(va, length)
        ask_second = clients_ask_second(va, length)
        first_period, second_period = (now - 1, now) if ask_second else (now, now + 1)
        if step == 0:
            current, following = first_period, second_period
            rotation = (run + 1) * RUN
        elif va >= rotation:
            current, following = following, now + 1
            rotation = (run + 1) * RUN
        # A ring is the run whose value orders it and the period in its nodes' places.
        uploads.append({(current, run - 1, first_period), (following, run, second_period)})
        asked = (now, run if ask_second else run - 1, now)
        misses += not any(asked in each for each in uploads[-KEPT:])
    return misses / CONSENSUSES


def main():
    rows = [{'periodLength': length, 'missed': round(missed(length), 3)} for length in LENGTHS]
    source = 'made by period-lengths.py beside it, which says how; the test runs that again'
    print(json.dumps({'source': source, 'votingInterval': V, 'lengths': rows}))


main()
