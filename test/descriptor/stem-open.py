"""Opens descriptors with stem: a JSON list of {text, address} on stdin, what stem read on stdout."""

import base64
import json
import sys

from stem.descriptor.hidden_service import HiddenServiceDescriptorV3


def point_fields(point):
  return {
    'linkSpecifiers': base64.b64encode(b''.join(
      [bytes([len(point.link_specifiers)])] + [spec.pack() for spec in point.link_specifiers]
    )).decode(),
    'onionKey': point.onion_key_raw,
    'authKey': base64.b64encode(point.auth_key_cert.key).decode(),
    'encKey': point.enc_key_raw,
    'encCertified': base64.b64encode(point.enc_key_cert.key).decode(),
  }


def open_descriptor(text, address):
  # Validation verifies certificate and signature.
  descriptor = HiddenServiceDescriptorV3.from_str(text, validate=True)
  inner = descriptor.decrypt(address)
  return {
    'lifetime': descriptor.lifetime,
    'revisionCounter': str(descriptor.revision_counter),
    'clients': len(inner.outer.clients),
    'formats': inner.formats,
    'singleOnionService': inner.is_single_service,
    'points': [point_fields(point) for point in inner.introduction_points],
  }


def verdict(request):
  try:
    return open_descriptor(request['text'], request['address'])
  except ValueError as refusal:
    return {'refused': str(refusal)}


print(json.dumps([verdict(request) for request in json.load(sys.stdin)]))
