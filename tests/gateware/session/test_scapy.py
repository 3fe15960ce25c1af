# SPDX-License-Identifier: Apache-2.0
"""scapy's MACsec at the other end, in both directions."""

from random import Random

import pytest
from scapy.compat import raw
from scapy.contrib.macsec import MACsec, MACsecSA
from scapy.layers.l2 import Ether

from custodes.macsec import ICV_BYTES, Side, Suite
from tests.gateware.session.bench import OWN, PEER, SCI_OWN, SCI_PEER, Bench, Sak, to_open, to_seal

SIZES = (14, 15, 16, 47, 59, 60, 61, 63, 64, 65, 79, 92, 124, 125, 126, 127, 128, 300, 1023, 1514, 1517, 1518)
FIRST_PN = {False: (1 << 32) - 40, True: (7 << 32) - 5}
"""By whether the suite is extended: near the end, or near one of the lower half."""


def scapys(sak: Sak, sci: bytes, an: int, pn: int) -> MACsecSA:
    extended = {"xpn_en": True, "ssci": sak.ssci, "salt": sak.salt} if sak.suite.extended else {}
    return MACsecSA(sci, an, pn, sak.key, ICV_BYTES, True, True, **extended)


def plains(random: Random, destination: bytes, source: bytes) -> list[bytes]:
    """One of each size; those that are long enough have a VLAN tag now and then."""
    frames = []
    for size in SIZES:
        ethertype = random.choice((b"\x88\xb5", b"\x81\x00\x60\x07\x88\xb5")) if size > 20 else b"\x88\xb5"
        start = destination + source + ethertype
        frames.append(start + random.randbytes(size - len(start)))
    return frames


@pytest.mark.parametrize("suite", Suite, ids=lambda suite: suite.title)
def test_scapy_opens_what_the_device_seals(bench: Bench, suite: Suite):
    random = Random(f"{suite} out")
    sak, pn = Sak.random(suite, random), FIRST_PN[suite.extended]
    bench.transmit(sak, an=3, pn=pn, channel=11)
    theirs = scapys(sak, SCI_OWN, 3, pn)
    frames = plains(random, PEER, OWN)
    for outcome, frame in zip(bench.link.exchange(to_seal(frames)), frames, strict=True):
        sealed = Ether(outcome.frame)
        assert (raw(sealed[MACsec].SCI), sealed[MACsec].AN, sealed[MACsec].PN) == (SCI_OWN, 3, theirs.pn & 0xFFFF_FFFF)
        assert raw(theirs.decap(theirs.decrypt(sealed))) == frame
        theirs.pn += 1
    assert bench.processor.association(Side.ACCELERATOR, 4 * 11 + 3) == (suite, pn + len(frames))


@pytest.mark.parametrize("suite", Suite, ids=lambda suite: suite.title)
def test_the_device_opens_what_scapy_seals(bench: Bench, suite: Suite):
    random = Random(f"{suite} in")
    sak, pn = Sak.random(suite, random), FIRST_PN[suite.extended]
    bench.receive(sak, an=2, pn=pn, channel=15)
    theirs = scapys(sak, SCI_PEER, 2, pn)
    frames, sealed = plains(random, OWN, PEER), []
    for frame in frames:
        sealed.append(raw(theirs.encrypt(theirs.encap(Ether(frame)))))
        theirs.pn += 1
    assert [outcome.frame for outcome in bench.link.exchange(to_open(sealed))] == frames
    assert bench.processor.association(Side.NETWORK, 4 * 15 + 2) == (suite, pn + len(frames))
