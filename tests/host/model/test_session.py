# SPDX-License-Identifier: Apache-2.0
"""The specification of MACsec sessions against the standard's test cases, against scapy, and in every case of a drop."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from scapy.contrib.macsec import MACsec, MACsecSA
from scapy.layers.l2 import Ether

from custodes.macsec import MAX_PLAIN_BYTES, MAX_SEALED_BYTES, Opening, Sealing, Suite
from custodes.model import Opener, Sealer
from custodes.model.session import recovered
from tests.host.fake_processor import KEY_A, KEY_B, OTHER, OWN, PEER, SCI_OWN, SCI_PEER, keys, plain

SALT = bytes.fromhex("e630e81a48de86a21c66fa6d")
SSCI = 0x7A30C118
STANDARD = {
    "C.2.1": (
        Suite.GCM_AES_128,
        "AD7A2BD03EAC835A6F620FDCB506B345",
        "D609B1F056637A0D46DF998D" + bytes(range(0xF, 0x3B)).hex(),
        "88E52E00B2C2846512153524C0895E81701AFA1CC039C0D765128A665DAB69243899BF7318CCDC81C9931DA17FBE8EDD7D17CB8B4C26"
        "FC81E3284F2B7FBA713D4F8D55E7D3F06FD5A13C0C29B9D5B880",
    ),
    "C.2.2": (
        Suite.GCM_AES_256,
        "E3C08A8F06C6E3AD95A70557B23F75483CE33021A9C72B7025666204C69C0B72",
        "D609B1F056637A0D46DF998D" + bytes(range(0xF, 0x3B)).hex(),
        "88E52E00B2C2846512153524C0895E81E2006EB42F5277022D9B19925BC419D7A592666C925FE2EF718EB4E308EFEAA7C5273B394118"
        "860A5BE2A97F56AB78365CA597CDBB3EDB8D1A1151EA0AF7B436",
    ),
    "C.7.1": (
        Suite.GCM_AES_128,
        "013FE00B5F11BE7F866D0CBBC55A7A90",
        "84C5D513D2AAF6E5BBD27277" + bytes(range(0xF, 0x3C)).hex(),
        "88E52F008932D6127CFDE9F9E33724C63A4DE6FA32191014DBB303D92EE3A9E8A1B599C14D22FB080096E13811816A3C9C9BCF7C1B9B"
        "96DA809204E29D0E2A7642BFD310A4837C816CCFA5AC23AB003988",
    ),
    "C.7.2": (
        Suite.GCM_AES_256,
        "83C093B58DE7FFE1C0DA926AC43FB3609AC1C80FEE1B624497EF942E2F79A823",
        "84C5D513D2AAF6E5BBD27277" + bytes(range(0xF, 0x3C)).hex(),
        "88E52F008932D6127CFDE9F9E33724C6110222FF8050CBECE66A813AD09A73ED7A9A089C106B959389168ED6E8698EA902EB1277DBEC"
        "2E68E473155A15A7DAEED4A10F4E05139C23DF00B3AADC71F0596A",
    ),
}
"""IEEE 802.1AE-2018 annex C, the cases with SCI and confidentiality: suite, key, MAC addresses and data, what follows them.
The data is an EtherType, bytes that count up, and the number of the case."""


def standard_case(name: str) -> tuple[Suite, bytes, bytes, bytes]:
    """Suite, key, plain frame, sealed frame."""
    suite, key, start, rest = STANDARD[name]
    begins = bytes.fromhex(start)
    frame = begins[:12] + b"\x08\x00" + begins[12:] + {"C.2": b"\0\2", "C.7": b"\0\6"}[name[:3]]
    return suite, bytes.fromhex(key), frame, begins[:12] + bytes.fromhex(rest)


def key_of(suite: Suite, key: bytes = KEY_A) -> bytes:
    return key[: suite.key_bytes]


def sealer(suite: Suite = Suite.GCM_AES_256, pn: int = 1) -> Sealer:
    """To `PEER` through channel 0, AN 0."""
    sealer = Sealer()
    sealer.set_channel(0, PEER, SCI_OWN)
    sealer.load(0, suite, key_of(suite), pn, SALT, SSCI)
    return sealer


def opener(suite: Suite = Suite.GCM_AES_256, pn: int = 1, window: int = 0) -> Opener:
    """For what `sealer` seals, in channel 2."""
    opener = Opener()
    opener.set_channel(2, SCI_OWN, window)
    opener.load(8, suite, key_of(suite), pn, SALT, SSCI)
    return opener


def sealed(frame: bytes, suite: Suite = Suite.GCM_AES_256, pn: int = 1) -> bytes:
    found = sealer(suite, pn).seal(frame).frame
    assert found is not None
    return found


def scapys(suite: Suite, pn: int = 1, an: int = 0) -> MACsecSA:
    more = {"xpn_en": True, "ssci": SSCI, "salt": SALT} if suite.extended else {}
    return MACsecSA(SCI_OWN, an, pn, key_of(suite), icvlen=16, encrypt=1, send_sci=1, **more)


@pytest.mark.parametrize("name", STANDARD)
def test_seals_and_opens_the_cases_of_the_standard(name: str) -> None:
    suite, key, frame, wanted = standard_case(name)
    pn, sci, number = int.from_bytes(wanted[16:20]), wanted[20:28], 4 + (wanted[14] & 3)
    sealer, opener = Sealer(), Opener()
    sealer.set_channel(1, frame[:6], sci)
    sealer.load(number, suite, key, pn)
    sealer.select(number)
    opener.set_channel(1, sci, 0)
    opener.load(number, suite, key, pn)
    assert sealer.seal(frame) == (wanted, Sealing.OUT_PKTS_ENCRYPTED, number)
    assert opener.open(wanted) == (frame, Opening.IN_PKTS_OK, number)


@pytest.mark.parametrize("suite", Suite)
@pytest.mark.parametrize("size", [14, 15, 59, 60, 61, 77, 1518])
@pytest.mark.parametrize("pn", [1, 0xFFFF_FFFE, 0x5_0000_0007])
def test_scapy_opens_what_it_seals(suite: Suite, size: int, pn: int) -> None:
    if pn > suite.max_pn:
        pn &= 0xFFFF_FFFF
    frame = plain(size)
    theirs = scapys(suite, pn)
    assert bytes(theirs.decap(theirs.decrypt(Ether(sealed(frame, suite, pn))))) == frame


@pytest.mark.parametrize("suite", Suite)
@pytest.mark.parametrize("size", [14, 59, 60, 61, 1518])
@pytest.mark.parametrize("pn", [1, 0xFFFF_FFFF, 0x5_0000_0007])
def test_opens_what_scapy_seals(suite: Suite, size: int, pn: int) -> None:
    if pn > suite.max_pn:
        pn &= 0xFFFF_FFFF
    frame = plain(size)
    theirs = scapys(suite, pn)
    wire = bytes(theirs.encrypt(theirs.encap(Ether(frame))))
    assert wire == sealed(frame, suite, pn)
    assert opener(suite, pn).open(wire) == (frame, Opening.IN_PKTS_OK, 8)


def test_packet_numbers_count_up_from_where_they_begin() -> None:
    one = sealer(pn=7)
    numbers = [MACsec((one.seal(plain()).frame or b"")[14:]).PN for _ in range(3)]
    assert (numbers, one.pn(0)) == ([7, 8, 9], 10)


@pytest.mark.parametrize(
    ("frame", "error", "reason", "association"),
    [
        (plain(8), True, Sealing.OUT_PKTS_ERROR, 0),
        (plain(13), False, Sealing.OUT_PKTS_TOO_SHORT, 0),
        (plain(MAX_PLAIN_BYTES + 1), False, Sealing.OUT_PKTS_TOO_LONG, 0),
        (plain(60, OWN), False, Sealing.OUT_PKTS_NO_PEER, 0),
        (plain(60, OTHER), False, Sealing.OUT_PKTS_NOT_USING_SA, 6),
    ],
)
def test_says_why_a_frame_is_not_sealed(frame: bytes, error: bool, reason: Sealing, association: int) -> None:
    one = sealer()
    one.set_channel(1, OTHER, SCI_OWN)
    one.select(6)
    assert one.seal(frame, error) == (None, reason, association)
    assert (one.counters, one.octets) == ({(association, reason): 1}, {})
    assert one.pn(0) == 1, "a drop uses no packet number"


def test_of_several_channels_to_a_peer_the_lowest_seals() -> None:
    one = Sealer()
    for channel in (3, 1, 2):
        one.set_channel(channel, PEER, SCI_OWN)
        one.load(4 * channel, Suite.GCM_AES_128, key_of(Suite.GCM_AES_128), 1)
    assert one.seal(plain()).association == 4
    one.clear_channel(1)
    assert one.seal(plain()).association == 8


def test_the_association_that_is_selected_seals() -> None:
    one = sealer()
    one.load(2, Suite.GCM_AES_256, KEY_B, 100)
    one.select(2)
    assert one.seal(plain()).association == 2
    one.zeroise(2)
    assert one.seal(plain()).reason is Sealing.OUT_PKTS_NOT_USING_SA
    one.select(0)
    assert one.seal(plain()).association == 0


@pytest.mark.parametrize("suite", Suite)
def test_an_association_ends_with_its_last_packet_number(suite: Suite) -> None:
    one, other = sealer(suite, suite.max_pn), opener(suite, suite.max_pn)
    last = one.seal(plain()).frame or b""
    assert one.seal(plain()) == (None, Sealing.OUT_PKTS_NOT_USING_SA, 0)
    assert one.pn(0) is None
    assert other.open(last).reason is Opening.IN_PKTS_OK
    assert other.pn(8) == suite.max_pn + 1
    assert other.open(last).reason is Opening.IN_PKTS_LATE


def test_counts_frames_and_octets_per_association() -> None:
    one, other = sealer(), opener()
    wires = [one.seal(plain(size)).frame or b"" for size in (60, 100)]
    for wire in (*wires, wires[0]):
        other.open(wire)
    assert (one.counters, one.octets) == ({(0, Sealing.OUT_PKTS_ENCRYPTED): 2}, {0: 48 + 88})
    assert other.counters == {(8, Opening.IN_PKTS_OK): 2, (8, Opening.IN_PKTS_LATE): 1}
    assert other.octets == {8: 48 + 88}


def turn(at: int, bits: int = 1) -> Callable[[bytes], bytes]:
    return lambda frame: frame[:at] + bytes([frame[at] ^ bits]) + frame[at + 1 :]


WIRE = sealed(plain())
SHORT_WIRE = sealed(plain(40))
DAMAGE: dict[str, tuple[bytes, Opening, int]] = {
    "too long": (WIRE.ljust(MAX_SEALED_BYTES + 1, b"\0"), Opening.IN_PKTS_TOO_LONG, 0),
    "no EtherType": (WIRE[:13], Opening.IN_PKTS_NO_TAG, 0),
    "another EtherType": (turn(13)(WIRE), Opening.IN_PKTS_NO_TAG, 0),
    "nothing": (b"\0", Opening.IN_PKTS_NO_TAG, 0),
    "a tag's first bytes": (WIRE[:14], Opening.IN_PKTS_BAD_TAG, 0),
    "no secure data": (WIRE[:44], Opening.IN_PKTS_BAD_TAG, 0),
    "another version": (turn(14, 0x80)(WIRE), Opening.IN_PKTS_BAD_TAG, 0),
    "end station": (turn(14, 0x40)(WIRE), Opening.IN_PKTS_BAD_TAG, 0),
    "no SCI": (turn(14, 0x20)(WIRE), Opening.IN_PKTS_BAD_TAG, 0),
    "single copy broadcast": (turn(14, 0x10)(WIRE), Opening.IN_PKTS_BAD_TAG, 0),
    "not encrypted": (turn(14, 0x08)(WIRE), Opening.IN_PKTS_BAD_TAG, 0),
    "not changed": (turn(14, 0x04)(WIRE), Opening.IN_PKTS_BAD_TAG, 0),
    "SL of a long frame": (turn(15, 20)(WIRE), Opening.IN_PKTS_BAD_TAG, 0),
    "SL that is no short length": (WIRE[:15] + b"\x30" + WIRE[16 : 28 + 48 + 16], Opening.IN_PKTS_BAD_TAG, 0),
    "reserved bits beside SL": (turn(15, 0x40)(SHORT_WIRE), Opening.IN_PKTS_BAD_TAG, 0),
    "short frame without SL": (turn(15, 28)(SHORT_WIRE), Opening.IN_PKTS_BAD_TAG, 0),
    "padded short frame": (SHORT_WIRE + b"\0", Opening.IN_PKTS_BAD_TAG, 0),
    "cut short frame": (SHORT_WIRE[:-1], Opening.IN_PKTS_BAD_TAG, 0),
    "PN 0": (WIRE[:16] + bytes(4) + WIRE[20:], Opening.IN_PKTS_BAD_TAG, 0),
    "another SCI": (turn(27)(WIRE), Opening.IN_PKTS_NO_SCI, 0),
    "another AN": (turn(14)(WIRE), Opening.IN_PKTS_NOT_USING_SA, 9),
    "cut": (WIRE[:-1], Opening.IN_PKTS_NOT_VALID, 8),
    "padded": (WIRE + b"\0", Opening.IN_PKTS_NOT_VALID, 8),
    "another destination": (turn(0)(WIRE), Opening.IN_PKTS_NOT_VALID, 8),
    "another source": (turn(11)(WIRE), Opening.IN_PKTS_NOT_VALID, 8),
    "another PN": (turn(19, 4)(WIRE), Opening.IN_PKTS_NOT_VALID, 8),
    "another ciphertext": (turn(28)(WIRE), Opening.IN_PKTS_NOT_VALID, 8),
    "another ICV": (turn(len(WIRE) - 1, 0x80)(WIRE), Opening.IN_PKTS_NOT_VALID, 8),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_says_why_a_frame_is_not_opened(name: str) -> None:
    wire, reason, association = DAMAGE[name]
    one = opener()
    assert one.open(WIRE, error=True) == (None, Opening.IN_PKTS_ERROR, 0)
    assert one.open(wire) == (None, reason, association)
    assert (one.pn(8), one.octets) == (1, {}), "what is not valid moves no packet number"
    assert one.counters == {(0, Opening.IN_PKTS_ERROR): 1, (association, reason): 1}


def test_every_truncation_is_dropped() -> None:
    for wire in (WIRE, SHORT_WIRE):
        one = opener()
        assert all(one.open(wire[:size]).frame is None for size in range(1, len(wire)))
        assert one.open(wire).frame is not None


def test_another_key_opens_nothing() -> None:
    one = Opener()
    one.set_channel(0, SCI_OWN, 0)
    one.load(0, Suite.GCM_AES_256, KEY_B, 1)
    assert one.open(WIRE).reason is Opening.IN_PKTS_NOT_VALID


@pytest.mark.parametrize(("salt", "ssci"), [(bytes(12), SSCI), (SALT, SSCI + 1)])
def test_another_salt_or_ssci_opens_nothing(salt: bytes, ssci: int) -> None:
    suite = Suite.GCM_AES_XPN_256
    one = Opener()
    one.set_channel(0, SCI_OWN, 0)
    one.load(0, suite, key_of(suite), 1, salt, ssci)
    assert one.open(sealed(plain(), suite)).reason is Opening.IN_PKTS_NOT_VALID


@pytest.mark.parametrize("window", [0, 1, 3])
def test_takes_frames_late_by_less_than_the_window(window: int) -> None:
    one, other = sealer(), opener(window=window)
    wires = [one.seal(plain()).frame or b"" for _ in range(10)]
    assert other.open(wires[9]).reason is Opening.IN_PKTS_OK
    assert other.pn(8) == 11 - window
    wanted = [Opening.IN_PKTS_LATE] * (10 - window) + [Opening.IN_PKTS_OK] * window
    assert [other.open(wire).reason for wire in wires] == wanted
    assert other.pn(8) == 11 - window


def test_a_window_does_not_lower_where_the_keys_begin() -> None:
    one = opener(pn=5, window=100)
    assert one.open(sealed(plain(), pn=7)).reason is Opening.IN_PKTS_OK
    assert one.open(sealed(plain(), pn=4)).reason is Opening.IN_PKTS_LATE
    assert one.pn(8) == 5


@pytest.mark.parametrize(
    ("lowest", "received", "meant"),
    [
        (1, 1, 1),
        (1, 0xFFFF_FFFF, 0xFFFF_FFFF),
        (0x7FFF_FFFF, 0, 0),
        (0x8000_0000, 0x8000_0000, 0x8000_0000),
        (0x8000_0000, 0x7FFF_FFFF, 0x1_7FFF_FFFF),
        (0xFFFF_FFFF, 0, 0x1_0000_0000),
        (0x3_FFFF_FFFF, 5, 0x4_0000_0005),
        (0xFFFF_FFFF_8000_0000, 5, 5),
    ],
)
def test_recovers_the_upper_half_of_a_packet_number(lowest: int, received: int, meant: int) -> None:
    assert recovered(lowest, received) == meant


@pytest.mark.parametrize("suite", [Suite.GCM_AES_XPN_128, Suite.GCM_AES_XPN_256])
def test_follows_an_extended_packet_number_over_the_end_of_32_bits(suite: Suite) -> None:
    start = 0x2_FFFF_FFFE
    one, other = sealer(suite, start), opener(suite, start, window=2)
    wires = [one.seal(plain()).frame or b"" for _ in range(5)]
    assert [int.from_bytes(wire[16:20]) for wire in wires] == [0xFFFF_FFFE, 0xFFFF_FFFF, 0, 1, 2]
    assert [other.open(wire).reason for wire in wires] == [Opening.IN_PKTS_OK] * 5
    assert other.pn(8) == 0x3_0000_0001


def test_an_extended_packet_number_that_wraps_is_late() -> None:
    suite = Suite.GCM_AES_XPN_256
    other = opener(suite, suite.max_pn, window=1)
    assert other.open(sealed(plain(), suite, suite.max_pn)).reason is Opening.IN_PKTS_OK
    assert other.open(sealed(plain(), suite, 1)).reason is Opening.IN_PKTS_LATE


def test_of_several_channels_with_an_sci_the_lowest_opens() -> None:
    one = opener()
    one.set_channel(1, SCI_OWN, 0)
    assert one.open(WIRE) == (None, Opening.IN_PKTS_NOT_USING_SA, 4)
    one.clear_channel(1)
    assert one.open(WIRE) == (plain(), Opening.IN_PKTS_OK, 8)


def test_refuses_to_load_what_does_not_fit() -> None:
    suite = Suite.GCM_AES_256
    for one in (sealer(), opener()):
        number = 0 if isinstance(one, Sealer) else 8
        with pytest.raises(ValueError, match="in use"):
            one.load(number, suite, KEY_B, 1)
        with pytest.raises(ValueError, match="in use, or there is none"):
            one.load(64, suite, KEY_B, 1)
        with pytest.raises(ValueError, match="not that of the suite"):
            one.load(1, suite, KEY_B[:16], 1)
    for one, pn in ((sealer(), 0), (sealer(), 1 << 32), (opener(), 1 << 32)):
        with pytest.raises(ValueError, match="does not fit"):
            one.load(1, suite, KEY_B, pn)


def test_takes_its_channels_from_a_keys_file() -> None:
    found = keys()
    wire = Sealer.of(found).seal(plain())
    assert (wire.association, (wire.frame or b"")[20:28]) == (1, SCI_OWN)
    theirs = Sealer()
    theirs.set_channel(0, OWN, SCI_PEER)
    theirs.load(1, Suite.GCM_AES_256, KEY_B, 9)
    theirs.select(1)
    frame = plain(200, OWN, PEER)
    one = Opener.of(found)
    assert one.open(theirs.seal(frame).frame or b"") == (frame, Opening.IN_PKTS_OK, 1)
    assert one.pn(1) == 10 - 4
