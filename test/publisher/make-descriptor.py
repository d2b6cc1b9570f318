"""Makes descriptors with stem and with Onionbalance, now. On stdin a JSON object: seed of the identity and blinding
parameter h of a period in hex, the start of its shared random run, a backend's descriptor and address; both texts on
stdout."""

import json
import sys

import onionbalance.hs_v3.onionbalance as balancer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from onionbalance.hs_v3.descriptor import OBDescriptor, ReceivedDescriptor
from stem.client.datatype import LinkByIPv4
from stem.descriptor.hidden_service import HiddenServiceDescriptorV3, InnerLayer, IntroductionPointV3
from stem.util import _pubkey_bytes


class Consensus:
  """As much of one as the revision counter needs: the run began when the caller says."""

  def __init__(self, run_start):
    self.run_start = run_start

  def get_start_time_of_previous_srv_run(self):
    return self.run_start


class Balancer:
  def __init__(self, run_start):
    self.consensus = Consensus(run_start)


def with_stem(identity, nonce):
  signing = Ed25519PrivateKey.generate()
  points = [
    IntroductionPointV3.create_for_link_specifiers([LinkByIPv4('127.0.0.%d' % n, 9001)], signing_key=signing)
    for n in range(1, 4)
  ]
  inner = InnerLayer.create(introduction_points=points)
  return HiddenServiceDescriptorV3.create(
    identity_key=identity, signing_key=signing, blinding_nonce=nonce, inner_layer=inner
  )


def with_onionbalance(identity, nonce, run_start, backend):
  text, address = backend
  balancer.my_onionbalance = Balancer(run_start)
  received = ReceivedDescriptor(text, address)
  return OBDescriptor('', identity, nonce, received.get_intro_points(), True).v3_desc


request = json.load(sys.stdin)
identity = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(request['seed']))
nonce = bytes.fromhex(request['blinding'])
print(json.dumps({
  'stem': str(with_stem(identity, nonce)),
  'onionbalance': str(with_onionbalance(identity, nonce, request['runStart'], request['backend'])),
}))
