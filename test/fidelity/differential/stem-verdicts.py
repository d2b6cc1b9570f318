"""Judges descriptors with stem: a JSON list of {text, address, cookie} on stdin, text in base64, the cookie of a
restricted one in hex; for each whether stem takes the outer document and all of it on stdout, with the exception else."""

import base64
import json
import logging
import sys

from stem.descriptor.hidden_service import HiddenServiceDescriptorV3, InnerLayer, OuterLayer

logging.disable(logging.CRITICAL)


def open_layers(descriptor, address, cookie):
  if not cookie:
    return descriptor.decrypt(address)
  # stem has no client authorization, but its layers open with the cookie behind the blinded key.
  blinded = descriptor.signing_cert.signing_key()
  identity = HiddenServiceDescriptorV3.identity_key_from_address(address)
  subcredential = HiddenServiceDescriptorV3._subcredential(identity, blinded)
  outer = OuterLayer._decrypt(descriptor.superencrypted, descriptor.revision_counter, subcredential, blinded)
  return InnerLayer._decrypt(outer, descriptor.revision_counter, subcredential, blinded + cookie)


def judge(request):
  # What is no descriptor raises whatever its code runs into, not only ValueError.
  try:
    descriptor = HiddenServiceDescriptorV3.from_str(base64.b64decode(request['text']), validate=True)
  except Exception as refusal:
    return {'outer': False, 'whole': False, 'exception': type(refusal).__name__}
  try:
    points = open_layers(descriptor, request['address'], bytes.fromhex(request['cookie'])).introduction_points
    return {'outer': True, 'whole': True, 'points': len(points)}
  except Exception as refusal:
    return {'outer': True, 'whole': False, 'exception': type(refusal).__name__}


print(json.dumps([judge(request) for request in json.load(sys.stdin)]))
