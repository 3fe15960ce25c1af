# SPDX-License-Identifier: Apache-2.0
"""The specification of the sampler: what passes, what a pair is, and the octets that the recomputer gets."""

from __future__ import annotations

from hashlib import sha256

import pytest

from custodes.gateway_formats import Kind, Record, Traits
from custodes.model.sampler import Sampler
from tests.frames import Arp, Frame, Icmp, Ip4, Ip6, Tcp, Udp
from tests.host.sampler_traffic import ACK, FIN, KEY, MACS, RST, SYN, Talk, sampler


def words(*values: int) -> bytes:
    return b"".join(value.to_bytes(4) for value in values)


def of_kind(made: Sampler, kind: Kind) -> list[bytes]:
    return [frame[16:] for frame in made.emitted if frame[14] == kind]


def tags(made: Sampler) -> list[tuple[int, ...]]:
    """Number, connection, traits and octets of each pair that is complete."""
    found = [[int.from_bytes(leaf[at : at + 4]) for at in range(0, 20, 4)] for leaf in of_kind(made, Kind.LEAF)]
    return [(number, flow, traits >> 24, traits & 0xFFFFFF) for _, _, number, flow, traits in found]


def transcripts(made: Sampler) -> list[bytes]:
    pieces: dict[bytes, bytes] = {}
    for content in of_kind(made, Kind.PAIR):
        place = pieces.get(content[:20], b"")
        assert int.from_bytes(content[24:28]) == len(place)
        pieces[content[:20]] = place + content[28:]
    return [*pieces.values()]


def test_every_octet_of_a_small_epoch():
    made = Sampler(4, 4, 4096, MACS)
    made.epoch(KEY, (1 << 64) - 1)
    talk = Talk(made, first=(0x11223344, 0xFFFFFFFE))
    assert talk.ask(b"hello")
    assert talk.answer(b"abcd")
    talk.close()
    made.epoch(bytes(32), 5 << 32 | 7)
    head = MACS.recomputer + MACS.sampler + b"\x88\xb5"
    transcript = words(5, 0x11223344) + b"hello\0\0\0" + words(0x80000004, 0xFFFFFFFE) + b"abcd"
    tag = words(1, 0, 1, 1, 0x02000000 | len(transcript))
    leaf = sha256(words(0) + tag + transcript).digest()
    record = words(1, 1, 1, 0xFFFFFFFF, 0xFFFFFFFF, 0, 0, 0, 0, 0, 0) + leaf + KEY
    assert made.record == record
    assert made.emitted == [
        head + b"\2\0" + words(1, 0xFFFFFFFF, 0xFFFFFFFF) + sha256(b"custodes/sampler/v1\0" + KEY).digest(),
        head + b"\3\0" + tag + words(0) + leaf,
        head + b"\4\0" + tag + words(0, 0) + transcript,
        head + b"\5\0" + record,
        head + b"\2\0" + words(2, 5, 7) + sha256(b"custodes/sampler/v1\0" + bytes(32)).digest(),
    ]


@pytest.mark.parametrize("version", [4, 6])
def test_a_further_input_completes_a_pair(version: int):
    made = sampler()
    talk = Talk(made, version=version)
    assert talk.ask(b"one") and talk.ask(b"two") and talk.answer(b"ONE") and talk.answer(b"TWO")
    assert not of_kind(made, Kind.LEAF)
    assert talk.ask(b"three")
    assert tags(made) == [(1, 1, Traits.NEXT >> 24, 48)]
    assert talk.at(True, 1, b"", ACK | RST)
    assert tags(made)[1:] == [(2, 1, Traits.CLOSED >> 24, 16)]
    assert made.flows == made.slots == 0


def test_repetitions_of_an_input_stay_in_its_pair():
    made = sampler()
    talk = Talk(made)
    assert talk.ask(b"abcd") and talk.answer(b"x") and talk.at(False, 1000, b"abcd")
    assert talk.at(False, 998, b"zzabcd") and not of_kind(made, Kind.LEAF)
    assert talk.at(False, 1000, b"abcde")
    assert tags(made) == [(1, 1, Traits.NEXT >> 24, 12 + 12 + 12 + 16)]


def test_repetitions_of_answers_of_another_pair_are_stale():
    made = sampler()
    talk = Talk(made, first=(0xFFFFFFFE, 0xFFFFFFFC))
    assert talk.at(True, 0, b"before") is False
    assert talk.ask(b"one") and talk.answer(b"12345678") and talk.ask(b"two")
    assert not talk.at(True, 0xFFFFFFFC, b"12345678")
    assert not talk.at(True, 3, b"8more")
    assert talk.at(True, 4, b"more") and talk.at(True, 4, b"more")
    assert not talk.at(True, 3, b"8more")
    assert made.counts[Record.STALE] == 3 and made.counts[Record.UNMATCHED] == 1


def test_what_no_pair_can_hold_is_refused():
    made = sampler()
    refused = [
        Ip4(Udp()),
        Ip4(Icmp()),
        Ip6(Icmp(128, rest=bytes(8), protocol=58)),
        Ip6(Icmp(137, rest=bytes(40), protocol=58)),
    ]
    for packet in refused:
        assert made.frame(False, Frame(packet).pack()) is None
    passing = [Arp(), *(Ip6(Icmp(kind, rest=bytes(20), protocol=58)) for kind in range(133, 137)), Ip4(Tcp(SYN))]
    for packet in passing:
        assert made.frame(True, Frame(packet).pack()) == Frame(packet).pack()
    assert made.counts[Record.REFUSED] == len(refused)


def test_no_payload_passes_before_an_epoch():
    made = sampler(threshold=None)
    talk = Talk(made)
    assert talk.at(False, 999, b"", SYN) and not talk.ask(b"a") and not talk.answer(b"a")
    made.epoch(KEY, 0)
    assert made.counts[Record.REFUSED] == 2
    assert talk.ask(b"a") and talk.answer(b"a")


def test_a_full_table_and_a_full_store_drop_and_count():
    made = sampler(flows=2, slots=3)
    made.stall()
    talks = [Talk(made, port) for port in (50000, 50001, 50002)]
    assert [talk.ask(b"a") for talk in talks] == [True, True, False]
    assert made.counts[Record.FLOWS_FULL] == 1
    assert talks[0].answer(b"b") and talks[0].ask(b"c") and talks[0].answer(b"d")
    assert made.slots == 3 and not talks[0].ask(b"e")
    assert talks[0].at(False, 1000, b"ac"), "a repetition needs no slot"
    talks[1].close()
    assert not talks[2].ask(b"a")
    assert made.counts[Record.STORE_FULL] == 2
    assert not of_kind(made, Kind.LEAF)
    made.release(1)
    assert len(of_kind(made, Kind.LEAF)) == 1 and talks[2].ask(b"a")
    made.release()
    assert [number for number, *_ in tags(made)] == [1, 2]
    assert talks[2].answer(b"b") and talks[2].ask(b"c")
    assert [number for number, *_ in tags(made)] == [1, 2, 4]


def test_a_pair_that_is_too_long_says_so():
    made = sampler(slot_bytes=2048)
    talk = Talk(made)
    assert talk.ask(bytes(1000)) and talk.answer(bytes(1024)) and not talk.answer(bytes(1)) and talk.answer(b"")
    assert made.counts[Record.OVERSIZE] == 1
    assert talk.ask(b"more")
    assert tags(made) == [(1, 1, (Traits.NEXT | Traits.OVERSIZE) >> 24, 2040)]
    assert [len(piece) for piece in of_kind(made, Kind.PAIR)] == [28 + 1456, 28 + 584]


@pytest.mark.parametrize("last", [b"", b"z"])
def test_a_connection_ends_when_both_have_said_so(last: bytes):
    made = sampler()
    talk = Talk(made)
    assert talk.ask(b"a", ACK | FIN) and talk.ask(b"", ACK | FIN) and made.flows == 1
    assert talk.answer(last, ACK | FIN) and made.flows == 0
    assert tags(made) == [(1, 1, Traits.CLOSED >> 24, 12 + 12 * bool(last))]


def test_what_was_dropped_does_not_end_a_connection():
    made = sampler(slot_bytes=2048)
    talk = Talk(made)
    assert talk.ask(bytes(1400), ACK | FIN) and not talk.answer(bytes(1400), ACK | FIN)
    assert made.flows == 1


def test_a_connection_grows_old():
    made = sampler()
    first, second = Talk(made, 50000), Talk(made, 50001)
    assert first.ask(b"a") and second.ask(b"a")
    made.tick()
    made.tick()
    assert second.answer(b"")
    made.tick()
    assert tags(made) == [(1, 1, Traits.AGED >> 24, 12)]
    assert not first.answer(b"b") and second.answer(b"b")
    assert Talk(made, 50002).ask(b"a")
    for _ in range(3):
        made.tick()
    assert [number for number, *_ in tags(made)] == [1, 3, 2], "places are looked at in their order"


def test_open_pairs_are_completed_in_another_epoch():
    made = sampler()
    talk, other = Talk(made), Talk(made, 50001)
    assert talk.ask(b"a") and other.ask(b"b")
    talk.close()
    made.epoch(bytes(32), 0)
    other.close()
    made.epoch(bytes(32), 0)
    leaves = of_kind(made, Kind.LEAF)
    assert [(leaf[:4], leaf[20:24]) for leaf in leaves] == [(words(1), words(0)), (words(2), words(0))]
    assert len(of_kind(made, Kind.PAIR)) == 1, "with a threshold of 0 none is kept"


def test_a_pair_is_kept_by_key_and_tag():
    made = sampler(threshold=1 << 63)
    for port in range(64):
        talk = Talk(made, 50000 + port)
        assert talk.ask(bytes([port]))
        talk.close()
    expected = [sha256(KEY + words(1, 0, i + 1, i + 1)).digest()[0] < 128 for i in range(64)]
    kept = {int.from_bytes(pair[20:24]) for pair in of_kind(made, Kind.PAIR)}
    assert kept == {i for i, keeps in enumerate(expected) if keeps} and 16 < len(kept) < 48
    assert made.counts[Record.KEPT] == len(kept) and made.counts[Record.PAIRS] == 64


def test_a_root_of_three_leaves_is_that_of_rfc_6962():
    made = sampler()
    talk = Talk(made)
    for _ in range(3):
        assert talk.ask(b"a") and talk.answer(b"b")
    talk.close()
    one, two, three = (leaf[24:] for leaf in of_kind(made, Kind.LEAF))
    made.epoch(bytes(32), 0)
    lower = sha256(words(1) + one + two).digest()
    assert made.record[44:76] == sha256(words(1) + lower + three).digest()
    made.epoch(bytes(32), 0)
    assert made.record[44:76] == bytes(32)


def test_complete_pairs_are_worked_off_before_their_epoch_ends():
    made = sampler()
    made.stall()
    talk = Talk(made)
    assert talk.ask(b"a")
    talk.close()
    made.epoch(bytes(32), 0)
    assert [frame[14] for frame in made.emitted] == [Kind.BEGIN, Kind.LEAF, Kind.PAIR, Kind.END, Kind.BEGIN]
    assert transcripts(made) == [words(1, 1000) + b"a\0\0\0"]
