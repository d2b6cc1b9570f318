"""Reads descriptors with stem and, where no client is authorized, with Onionbalance: a JSON list of
{text, address, cookie} on stdin, with the cookie of a restricted one in hex; what each read on stdout."""

import json
import logging
import sys

from onionbalance.hs_v3.descriptor import BadDescriptor, ReceivedDescriptor
from stem.descriptor.hidden_service import HiddenServiceDescriptorV3, InnerLayer, OuterLayer

logging.disable(logging.CRITICAL)


def open_restricted(descriptor, address, cookie):
  # stem has no client authorization, but its layers open with the cookie behind the blinded key.
  identity = HiddenServiceDescriptorV3.identity_key_from_address(address)
  blinded = descriptor.signing_cert.signing_key()
  subcredential = HiddenServiceDescriptorV3._subcredential(identity, blinded)
  outer = OuterLayer._decrypt(descriptor.superencrypted, descriptor.revision_counter, subcredential, blinded)
  return outer, InnerLayer._decrypt(outer, descriptor.revision_counter, subcredential, blinded + cookie)


def read_with_stem(text, address, cookie):
  descriptor = HiddenServiceDescriptorV3.from_str(text, validate=True)
  if cookie:
    outer, inner = open_restricted(descriptor, address, bytes.fromhex(cookie))
  else:
    inner = descriptor.decrypt(address)
    outer = inner.outer
  return {'points': len(inner.introduction_points), 'clients': len(outer.clients)}


def read_with_onionbalance(text, address):
  received = ReceivedDescriptor(text, address + '.onion')
  return {'points': len(received.get_intro_points())}


def read(request):
  text, address, cookie = request['text'], request['address'], request['cookie']
  verdict = {}
  try:
    verdict['stem'] = read_with_stem(text, address, cookie)
  except ValueError as refusal:
    verdict['stem'] = {'refused': str(refusal)}
  try:
    verdict['onionbalance'] = read_with_onionbalance(text, address)
  except BadDescriptor:
    verdict['onionbalance'] = {'refused': 'BadDescriptor'}
  return verdict


print(json.dumps([read(request) for request in json.load(sys.stdin)]))
