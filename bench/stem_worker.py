"""Builds, encrypts, signs and re-reads v3 descriptors with python3-stem. One command a line on standard input
(`MODE POINTS COUNT`), one answer a line: seconds per descriptor. MODE is `new-key` (a fresh descriptor signing key,
every certificate made again) or `unchanged` (certificates of key and points reused, as when only time has passed)."""
import os
import resource
import sys
import time

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from stem.client.datatype import LinkByEd25519, LinkByFingerprint, LinkByIPv4
from stem.descriptor.certificate import CertType, Ed25519CertificateV1, Ed25519Extension, ExtensionType
from stem.descriptor.hidden_service import (
    HiddenServiceDescriptorV3, InnerLayer, IntroductionPointV3, _blinded_pubkey, _blinded_sign)

IDENTITY = Ed25519PrivateKey.generate()
ADDRESS = HiddenServiceDescriptorV3.address_from_identity_key(IDENTITY)
NONCE = os.urandom(32)
BLINDED = _blinded_pubkey(IDENTITY, NONCE)
RAW = [
    ([LinkByIPv4('127.0.0.1', 9001), LinkByFingerprint(os.urandom(20)), LinkByEd25519(os.urandom(32))],
     X25519PrivateKey.generate().public_key(), X25519PrivateKey.generate().public_key(),
     Ed25519PrivateKey.generate().public_key())
    for _ in range(20)]


def certified(count, signing_key):
    return [IntroductionPointV3.create_for_link_specifiers(links, onion_key=onion, enc_key=enc, auth_key=auth,
                                                           signing_key=signing_key)
            for links, onion, enc, auth in RAW[:count]]


def signing_certificate(signing_key):
    extensions = [Ed25519Extension(ExtensionType.HAS_SIGNING_KEY, None, BLINDED)]
    cert = Ed25519CertificateV1(cert_type=CertType.HS_V3_DESC_SIGNING, key=signing_key, extensions=extensions)
    cert.signature = _blinded_sign(cert.pack(), IDENTITY, BLINDED, NONCE)
    return cert


def build(points, signing_key, cert, counter):
    text = str(HiddenServiceDescriptorV3.create(
        blinding_nonce=NONCE, identity_key=IDENTITY, signing_key=signing_key, signing_cert=cert,
        inner_layer=InnerLayer.create(introduction_points=points), revision_counter=counter))
    read = HiddenServiceDescriptorV3.from_str(text, validate=True)
    if len(read.decrypt(ADDRESS).introduction_points) != len(points):
        raise AssertionError('the descriptor did not come back whole')


def main():
    counter = 1000
    for line in sys.stdin:
        mode, points, count = line.split()
        points, count = int(points), int(count)
        fixed_key = Ed25519PrivateKey.generate()
        fixed = (certified(points, fixed_key), fixed_key, signing_certificate(fixed_key))
        started, busy = time.perf_counter(), time.process_time()
        for _ in range(count):
            counter += 1
            if mode == 'new-key':
                key = Ed25519PrivateKey.generate()
                build(certified(points, key), key, None, counter)
            else:
                build(*fixed, counter)
        spent, busy = (time.perf_counter() - started) / count, (time.process_time() - busy) / count
        rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print('%.9f %.9f %d' % (spent, busy, rss), flush=True)


main()
