# SPDX-License-Identifier: Apache-2.0
"""The device against annex C of the standard.

Of its 32 vectors 16 have confidentiality, which the device always has. Of these, 8 have an explicit SCI, as the device's
frames always have: they are sealed and opened as they stand. The other 8 have the same IV as a frame with that SCI, so the
device makes the same ciphertext of them, but not the same ICV; as they stand it does not take them.
"""

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from custodes.link import Outcome
from custodes.macsec import ASSOCIATIONS_PER_CHANNEL, HEADER_BYTES, ICV_BYTES, MACS_BYTES, Opening, Sealing, Side, Suite
from tests.gateware.session.bench import Bench, to_open, to_seal
from tests.gateware.session.vectors import EXPLICIT, IMPLICIT, VECTORS, Vector

CHANNEL = 5


def named(vectors: list[Vector]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("vector", vectors, ids=lambda vector: vector.name)


def number(vector: Vector) -> int:
    return ASSOCIATIONS_PER_CHANNEL * CHANNEL + vector.an


def transmit(bench: Bench, vector: Vector) -> None:
    bench.send_to(CHANNEL, vector.plain[:6], vector.sci)
    bench.load_sak(Side.ACCELERATOR, number(vector), vector.sak, vector.pn)
    bench.select(number(vector))


def receive(bench: Bench, vector: Vector) -> None:
    bench.receive_from(CHANNEL, vector.sci)
    bench.load_sak(Side.NETWORK, number(vector), vector.sak, vector.pn)


def test_another_library_agrees_with_every_vector():
    assert (len(EXPLICIT), len(IMPLICIT)) == (8, 8)
    assert {(len(vector.plain), vector.sak.suite) for vector in VECTORS} == {
        (size, suite) for size in (54, 60, 61, 75) for suite in Suite
    }
    for vector in VECTORS:
        iv = vector.sak.iv(vector.sci, vector.pn)
        sealed = AESGCM(vector.sak.key).encrypt(iv, vector.plain[MACS_BYTES:], vector.header)
        assert sealed == vector.sealed, vector.name


@named(EXPLICIT)
def test_seals_as_the_standard_says(bench: Bench, vector: Vector):
    transmit(bench, vector)
    assert bench.link.exchange(to_seal([vector.plain])) == [
        Outcome(vector.header + vector.sealed, Sealing.OUT_PKTS_ENCRYPTED)
    ]


@named(EXPLICIT)
def test_opens_as_the_standard_says(bench: Bench, vector: Vector):
    receive(bench, vector)
    assert bench.link.exchange(to_open([vector.header + vector.sealed])) == [Outcome(vector.plain, Opening.IN_PKTS_OK)]


@named(IMPLICIT)
def test_encrypts_as_the_standard_says_where_the_tag_differs(bench: Bench, vector: Vector):
    transmit(bench, vector)
    (outcome,) = bench.link.exchange(to_seal([vector.plain]))
    assert outcome.frame is not None
    assert outcome.frame[HEADER_BYTES:-ICV_BYTES] == vector.sealed[:-ICV_BYTES]


@named(IMPLICIT)
def test_takes_no_frame_without_explicit_sci(bench: Bench, vector: Vector):
    receive(bench, vector)
    assert bench.link.exchange(to_open([vector.header + vector.sealed])) == [Outcome(None, Opening.IN_PKTS_BAD_TAG)]
