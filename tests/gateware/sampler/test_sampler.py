# SPDX-License-Identifier: Apache-2.0
"""Frame by frame as the specification says: what passes, what counts, and every octet that the recomputer gets."""

from __future__ import annotations

from itertools import pairwise
from random import Random
from typing import Any

import pytest

from custodes.gateway_formats import ALWAYS, Kind, Record
from custodes.table import Port
from tests.frames import Arp, Frame, Icmp, Ip4, Ip6, Tcp, Udp
from tests.gateware.sampler.bench import Bench, Specification
from tests.gateware.stream.bench import PAUSES
from tests.host.sampler_traffic import ACK, FIN, KEY, PSH, RST, SYN, Talk

LANES = pytest.mark.parametrize("lanes", [1, 8, 64])
OTHER_KEY = bytes(range(100, 132))


def specification(threshold: int = ALWAYS, **sizes: int) -> Specification:
    """In its first epoch."""
    made = Specification(**sizes)
    made.epoch(KEY, threshold)
    return made


def converse(made: Specification, seed: int, turns: int, version: int = 4, most: int = 40) -> None:
    """Questions and answers of several segments each, some of which are repeated, until both have said that it is over."""
    random = Random(seed)
    talk = Talk(made, 50000 + seed, (random.getrandbits(32), random.getrandbits(32)), version)
    assert talk.say(False, b"", SYN) and talk.say(True, b"", SYN | ACK)
    for _ in range(turns):
        for from_server in (False, True):
            for _ in range(random.randint(1, 3)):
                payload = random.randbytes(random.randint(1, most))
                assert talk.say(from_server, payload, ACK | PSH)
                if random.random() < 0.3:
                    assert talk.at(from_server, talk.next[from_server] - len(payload), payload)
                assert talk.at(not from_server, talk.next[not from_server])
    talk.close()


def kinds(made: Specification) -> list[int]:
    return [frame[14] for frame in made.emitted]


@LANES
@pytest.mark.parametrize("pauses", PAUSES)
def test_pairs_of_a_connection(lanes: int, pauses: str):
    made = specification()
    converse(made, 1, 3, most=90)
    made.epoch(OTHER_KEY, 1)
    bench = Bench(lanes)
    bench.idle, bench.pause = PAUSES[pauses](1), PAUSES[pauses](2)
    bench.follow(made)
    assert made.counts[Record.PAIRS] == 0 and kinds(made).count(Kind.PAIR) == 3


@pytest.mark.parametrize("seed", range(3))
def test_connections_of_both_versions_at_once(seed: int):
    made = specification(threshold=1 << 63)
    random = Random(seed)
    talks = [Talk(made, 50000 + at % 2, version=version) for at, version in enumerate((4, 4, 6, 6))]
    for _ in range(40):
        talk = random.choice(talks)
        payload = random.randbytes(random.randint(0, 30))
        flags = random.choice([ACK, ACK, ACK, ACK | FIN, ACK | RST]) if random.random() < 0.3 else ACK
        if random.random() < 0.2:
            talk.at(random.random() < 0.5, random.choice(talk.next) + random.randint(-9, 9), payload, flags)
        else:
            talk.say(random.random() < 0.5, payload, flags)
    made.epoch(OTHER_KEY, ALWAYS)
    Bench().follow(made)
    assert len({*kinds(made)}) == 4 or seed


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("options", [b"", bytes([1, 1, 1, 0]), bytes(40)], ids=["none", "word", "longest"])
def test_payload_of_any_length_behind_any_header(version: int, options: bytes):
    made = specification()
    ip, sequence = (Ip4 if version == 4 else Ip6), [1, 1]
    for length in [*range(9), 255]:
        for from_server, port in ((False, Port.WORLD), (True, Port.CLUSTER)):
            ports = (80, 50000) if from_server else (50000, 80)
            segment = Tcp(ACK, options, bytes(range(1, length + 1)), *ports, sequence[from_server])
            frame = Frame(ip(segment, port)).pack()
            assert made.frame(from_server, frame) == frame
            # A MAC has made it as long as frames have to be.
            if len(frame) < 60:
                assert made.frame(from_server, frame + b"\xa5" * (60 - len(frame))) is not None
            sequence[from_server] += length
    Talk(made, version=version).at(False, 0, b"", RST)
    Bench(8).follow(made)
    assert made.counts[Record.PAIRS] == 9


@LANES
def test_both_directions_at_once(lanes: int):
    """While half of all connections ask, the server answers the others."""
    made, random = specification(slots=8), Random(lanes)
    talks = [Talk(made, 50000 + at, version=(4, 6)[at & 1]) for at in range(4)]
    rounds: list[int] = []
    for number in range(6):
        asking, answering = (talks[half::2] for half in (number & 1, ~number & 1))
        for talk in asking:
            assert talk.ask(random.randbytes(random.randint(1, 100)))
        for talk in answering:
            assert not number or talk.answer(random.randbytes(random.randint(1, 100)))
        rounds.append(len(made.happened))
    for talk in talks:
        assert talk.at(False, 0, b"", RST)
    made.epoch(OTHER_KEY, 0)
    bench = Bench(lanes, slots=8)
    bench.idle, bench.pause = PAUSES["bursts"](1), PAUSES["bursts"](2)

    async def script(ctx: Any) -> None:
        await bench.play(ctx, made.happened[:1])
        for first, after in pairwise([1, *rounds]):
            happened = made.happened[first:after]
            for _, from_server, frame, *_ in happened:
                bench.send(from_server, frame)
            await bench.until(ctx, lambda: not any(bench.sent.values()))
            await bench.cycles(ctx, 400)
            await bench.settled(ctx, *happened[-1][-3:-1])
        await bench.play(ctx, made.happened[rounds[-1] :])
        await bench.agrees(ctx, made)
        for name, from_server in (("o_server", False), ("o_world", True)):
            expected = [what[2] for what in made.happened if what[:2] == ("frame", from_server)]
            assert [frame.data for frame in bench.outputs[name].frames] == expected

    bench.run(script)


def test_what_is_no_tcp_and_what_has_no_payload():
    made = specification()
    packets = [
        *(Ip4(Udp(b"payload")), Ip4(Icmp()), Arp(), Ip4(Tcp(SYN)), Ip6(Tcp(ACK | FIN)), Ip4(Tcp(RST, bytes(12)))),
        *(Ip6(Icmp(kind, rest=bytes(20), protocol=58)) for kind in range(126, 140)),
        Ip6(Udp(b"payload")),
    ]
    for packet in packets:
        for from_server in (False, True):
            made.frame(from_server, Frame(packet).pack())
    assert made.counts[Record.REFUSED] == 2 * 13
    Bench().follow(made)


DAMAGED = {
    "options": Frame(Ip4(Tcp(payload=b"a"), options=bytes(4))).pack(),
    "fragment": Frame(Ip4(Tcp(payload=b"a"), fragment=0x2000)).pack(),
    "offset": Frame(Ip4(Tcp(payload=b"a"), fragment=0x4001)).pack(),
    "tagged": Frame(Ip4(Tcp(payload=b"a")), tag=42).pack(),
    "no such length": Frame(Ip4(Tcp(payload=b"a"), total=0x801)).pack(),
    "shorter than its headers": Frame(Ip4(Tcp(payload=b"a"), total=39)).pack(),
    "header longer than the packet": Frame(Ip4(Tcp(payload=b"a", offset=6))).pack(),
    "header shorter than there is": Frame(Ip4(Tcp(payload=b"abcd", offset=4))).pack(),
    "one octet less than it says": Frame(Ip4(Tcp(payload=bytes(40)))).pack()[:-1],
    "an option less than it says": Frame(Ip4(Tcp(payload=b"a", options=bytes(8)))).pack()[:-6],
    "ended in its header": Frame(Ip4(Tcp(payload=bytes(40)))).pack()[:44],
    "longer than frames are": Frame(Ip4(Tcp(payload=b"a"))).pack() + bytes(1521),
    "longer than the store": Frame(Ip4(Tcp(payload=b"a"))).pack() + bytes(3000),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_what_no_scrubber_gives_is_refused_and_leaves_nothing(damage: str):
    made = specification()
    Talk(made).ask(b"before")
    bench = Bench()

    async def script(ctx: Any) -> None:
        await bench.play(ctx, made.happened)
        bench.send(False, DAMAGED[damage])
        await bench.until(ctx, lambda: not bench.sent["i_world"])
        await bench.cycles(ctx, 600)
        assert await bench.read(ctx, "COUNTS", Record.REFUSED - Record.PAIRS) == 1
        # What follows passes, and is in the place of what was taken back.
        made.happened.clear()
        talk = Talk(made, 50001)
        assert talk.ask(b"x" * 30)
        Talk(made).at(False, 0, b"", RST)
        talk.close()
        for what in made.happened:
            counts = what[-1] | {Record.REFUSED: 1}
            await bench.play(ctx, [(*what[:-1], counts)])
        await bench.agrees(ctx, made)
        assert len(bench.outputs["o_server"].frames) == 4

    bench.run(script)


def test_repetitions_and_what_is_stale_or_answers_nothing():
    made = specification()
    talk = Talk(made, first=(0xFFFFFFFE, 0xFFFFFFFC))
    assert not talk.at(True, 0, b"before")
    assert talk.ask(b"one") and talk.at(False, 0xFFFFFFFC, b"zzone") and talk.answer(b"12345678")
    assert talk.at(False, 0xFFFFFFFE, b"one") and talk.at(True, 0xFFFFFFFC, b"12345678")
    assert talk.at(False, 0xFFFFFFFF + (1 << 31), b"aa"), "half of all numbers further is not after"
    assert talk.ask(b"two")
    assert not talk.at(True, 0xFFFFFFFC, b"12345678") and not talk.at(True, 3, b"8more")
    assert talk.at(True, 4, b"more") and talk.at(True, 4, b"more") and not talk.at(True, 3, b"8more")
    assert not Talk(made, 50001).at(True, 4, b"more")
    talk.close()
    assert (made.counts[Record.STALE], made.counts[Record.UNMATCHED]) == (3, 2)
    Bench().follow(made)


def test_a_pair_that_is_too_long_says_so_and_leaves_in_pieces():
    made = specification()
    talk = Talk(made)
    assert talk.ask(bytes(range(250)) * 4) and talk.answer(b"a" * 1024) and not talk.answer(b"b") and talk.answer(b"")
    assert not talk.at(False, 1000, b"again") and talk.ask(b"more") and talk.answer(b"c")
    talk.close()
    assert made.counts[Record.OVERSIZE] == 2 and kinds(made).count(Kind.PAIR) == 3
    Bench().follow(made)


@pytest.mark.parametrize("length", [1440, 1441, 1456])
def test_a_piece_of_just_the_most_is_the_last(length: int):
    made = specification()
    talk = Talk(made)
    assert talk.ask(bytes(length))
    talk.close()
    Bench(8).follow(made)
    assert kinds(made).count(Kind.PAIR) == 1 + (length > 1448)


def test_what_was_dropped_does_not_end_a_connection():
    made = specification()
    talk = Talk(made)
    assert talk.ask(bytes(1400), ACK | FIN) and not talk.answer(bytes(1400), ACK | FIN) and made.flows == 1
    assert talk.answer(b"a", ACK | FIN) and made.flows == 0
    Bench(8).follow(made)


def test_a_full_table_and_a_full_store_drop_and_count():
    made = specification(flows=2)
    made.stall()
    talks = [Talk(made, port) for port in (50000, 50001, 50002)]
    assert [talk.ask(b"a") for talk in talks] == [True, True, False]
    for talk in talks[:2]:
        assert talk.answer(b"b") and talk.ask(b"c") and talk.answer(b"d")
    assert made.slots == 4 and not talks[0].ask(b"e") and talks[0].at(False, 1000, b"ac")
    talks[1].close()
    assert not talks[2].ask(b"a") and talks[2].ask(b"")
    made.release()
    assert talks[2].ask(b"a") and talks[0].ask(b"e")
    made.epoch(OTHER_KEY, 0)
    assert (made.counts[Record.STORE_FULL], made.counts[Record.FLOWS_FULL]) == (2, 1)
    Bench(flows=2).follow(made)


def test_a_connection_grows_old():
    made = specification()
    first, second = Talk(made, 50000), Talk(made, 50001)
    assert first.ask(b"a") and second.ask(b"a")
    made.tick()
    made.tick()
    assert second.answer(b"")
    made.tick()
    assert not first.answer(b"b") and second.answer(b"b") and Talk(made, 50002).ask(b"a")
    for _ in range(3):
        made.tick()
    assert made.flows == 0 and made.counts[Record.PAIRS] == 3
    Bench().follow(made)


def test_no_payload_passes_before_an_epoch():
    made = Specification()
    talk = Talk(made)
    assert talk.at(False, 999, b"", SYN) and not talk.ask(b"a") and not talk.answer(b"a")
    made.epoch(KEY, 0)
    assert talk.ask(b"a") and talk.answer(b"a")
    Bench().follow(made)


def test_epochs_with_and_without_pairs():
    made = specification()
    talk, other = Talk(made), Talk(made, 50001)
    made.epoch(OTHER_KEY, 1 << 63)
    assert talk.ask(b"a") and other.ask(b"b")
    talk.close()
    made.epoch(KEY, 0)
    other.close()
    made.epoch(OTHER_KEY, ALWAYS - 1)
    made.epoch(KEY, 1)
    assert made.epoch_number == 5
    Bench().follow(made)


@pytest.mark.parametrize("threshold", [0, 1 << 63, ALWAYS - 1, ALWAYS])
def test_pairs_are_kept_as_key_and_threshold_say(threshold: int):
    made = specification(threshold)
    talk = Talk(made)
    for number in range(11):
        assert talk.ask(bytes([number])) and talk.answer(b"b")
    talk.close()
    made.epoch(OTHER_KEY, ALWAYS)
    kept = kinds(made).count(Kind.PAIR)
    assert kept == {0: 0, 1 << 63: kept}.get(threshold, 11) and (threshold != 1 << 63 or 0 < kept < 11)
    Bench(8).follow(made)


@pytest.mark.parametrize("leaves", range(1, 9))
def test_the_root_of_any_number_of_leaves(leaves: int):
    made = specification(0)
    talk = Talk(made)
    for _ in range(leaves):
        assert talk.ask(b"a") and talk.answer(b"b")
    assert talk.at(True, 0, b"", RST)
    made.epoch(OTHER_KEY, 0)
    Bench(8).follow(made)
