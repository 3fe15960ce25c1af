# SPDX-License-Identifier: Apache-2.0
"""`gateware.flow.Translator`, against the executable specification."""

from collections import deque
from collections.abc import Sequence
from typing import Any

import cocotb
from cocotb.triggers import Event as Trigger
from cocotb.triggers import with_timeout

from custodes.flow_table import UNUSED_TICKS
from custodes.model.entropy import word
from custodes.model.translator import Translator as Specification
from custodes.table import Port, Reason
from gateware.flow.layouts import STAMP_BITS
from tests.cocotb_benches.codecs import Beat, Codec, FrameCodec, WordCodec, lanes_of
from tests.cocotb_benches.designs import FLOWS, design_under_test
from tests.cocotb_benches.pin import Pins
from tests.cocotb_benches.tb import TB, Agent, Source
from tests.frames import POLICY, Ip4, Ip6, Tcp, Udp
from tests.gateware.flow.traffic import (
    SEED,
    Event,
    Outcome,
    Sent,
    Stations,
    canonical,
    ids_of,
    specification,
    specified,
)
from tests.gateware.stream.bench import PAUSES, Frame

VERDICT_US = 100
"""After a frame has been sent alone, it is judged."""
QUIET_CYCLES = 200
FRAME_CYCLES = {1: 2 * 34, 8: 2 * 29}
"""Lanes -> in which a smallest frame leaves each way: what the table takes for both."""
WORDS = 2000
"""More than any test takes."""


class IdsCodec(Codec[int]):
    """The ids of two addresses."""

    fields = ("source", "destination")

    def beats(self, item: int) -> list[Beat]:
        return [(item & 0x3FF, item >> 10)]

    def take(self, beat: Beat) -> int:
        return beat[0] | beat[1] << 10


class Verdicts(Agent):
    """Collects the verdicts of both sides in the order in which they are given."""

    def __init__(self, dut: Pins) -> None:
        self.ports = [
            (port, *(getattr(dut, f"judged_{port.name.lower()}_{name}") for name in ("valid", "reason", "altered")))
            for port in Port
        ]
        self.judged: list[tuple[Port, Reason, int]] = []
        self.more = Trigger()

    def sample(self) -> None:
        for port, valid, reason, altered in self.ports:
            if valid.value:
                self.judged.append((port, Reason(reason.value), altered.value))
                self.more.set()

    def restart(self) -> None:
        self.judged.clear()


class Alarms(Agent):
    """Counts what is told of full tables and missing words."""

    def __init__(self, dut: Pins) -> None:
        self.signals = {"FLOW_FULL": dut.alarm_full, "ENTROPY_EMPTY": dut.alarm_empty}
        self.count = dict.fromkeys(self.signals, 0)

    def sample(self) -> None:
        for name, signal in self.signals.items():
            self.count[name] += signal.value

    def restart(self) -> None:
        self.count = dict.fromkeys(self.signals, 0)


class Live(Agent):
    """Says that there will be words as long as there are."""

    def __init__(self, dut: Pins, words: list[Source[int]]) -> None:
        self.live, self.words = dut.live, words

    def drive(self) -> None:
        self.live.value = sum(1 << number for number, words in enumerate(self.words) if words.busy)

    def restart(self) -> None:
        self.live.value = 0


class Bench:
    """A Translator between sources and sinks, under `POLICY`."""

    def __init__(self, dut: Any, idle: str = "none", stall: str = "none", words: int = WORDS) -> None:
        self.tb = tb = TB(dut, idle, stall)
        self.dut = dut
        lanes = lanes_of(dut.i_cluster_payload_data)
        self.i = [tb.source(f"i_{port.name.lower()}", FrameCodec(lanes, tb.seed())) for port in Port]
        self.o = [tb.sink(f"o_{port.other.name.lower()}", FrameCodec(lanes, tb.seed())) for port in Port]
        self.ids = [tb.source(f"ids_{port.name.lower()}", IdsCodec()) for port in Port]
        self.words = [tb.source(f"words_{port.name.lower()}", WordCodec()) for port in Port]
        for ids in self.ids:
            ids.idle = lambda: False
        self.count = words
        self.verdicts, self.alarms = Verdicts(tb.dut), Alarms(tb.dut)
        for agent in (self.verdicts, self.alarms, Live(tb.dut, self.words)):
            tb.add(agent)

    async def start(self) -> None:
        self.dut.policy_window_scale.value = POLICY.flow.window_scale
        self.dut.policy_ephemeral_from.value = POLICY.flow.ephemeral_from
        self.dut.tick.value = 0
        self.dut.clear.value = 0
        await self.tb.start()
        self.offer_words()

    def offer_words(self) -> None:
        for port, words in enumerate(self.words):
            words.send(int.from_bytes(word(SEED, port, index), "little") for index in range(self.count))

    def send(self, sent: Sent) -> None:
        self.ids[sent.port].send([ids_of(sent.frame)])
        self.i[sent.port].send([Frame(sent.frame)])

    async def pulse(self, signal: Any) -> None:
        """For one cycle, with nothing inside."""
        while self.dut.busy.value == 1:
            await self.tb.cycles(1)
        signal.value = 1
        await self.tb.cycles(1)
        signal.value = 0

    async def go_through(self, events: Sequence[Event], expected: Sequence[Outcome]) -> None:
        """One after the other: a frame waits for the verdict on the one before."""
        left = deque(expected)
        for number, event in enumerate(events):
            if not isinstance(event, Sent):
                await self.pulse(self.dut.tick)
                continue
            self.verdicts.more.clear()
            self.send(event)
            await with_timeout(self.verdicts.more.wait(), VERDICT_US, "us")
            outcome = left.popleft()
            assert self.verdicts.judged[-1] == (event.port, outcome.reason, outcome.altered), (
                f"event {number}, {event.frame.hex()}: {self.verdicts.judged[-1]} instead of {outcome}"
            )
            if outcome.frame is not None:
                await self.o[event.port].expect([Frame(outcome.frame)])
        assert not left

    async def go_together(self, sent: Sequence[Sent], specification: Specification) -> None:
        """Both ports at once: what is expected is asked of the specification in the order of the verdicts."""
        left = [deque(event for event in sent if event.port == port) for port in Port]
        for event in sent:
            self.send(event)
        begun = len(self.verdicts.judged)
        while (done := len(self.verdicts.judged) - begun) < len(sent):
            await self.tb.cycles(QUIET_CYCLES)
            assert len(self.verdicts.judged) - begun > done or self.tb.domains[""].moved > self.tb.cycle - QUIET_CYCLES
        for port, reason, altered in self.verdicts.judged[begun:]:
            outcome = specified(specification, left[port].popleft())
            assert (reason, altered) == (outcome.reason, outcome.altered)
            if outcome.frame is not None:
                await self.o[port].expect([Frame(outcome.frame)])

    async def finish(self) -> None:
        for words in self.words:
            words.restart()
        await self.tb.finish(QUIET_CYCLES)
        assert self.dut.busy.value == 0


@cocotb.test()
@cocotb.parametrize(idle=list(PAUSES), stall=list(PAUSES))
async def does_what_the_specification_says(dut: Any, idle: str, stall: str) -> None:
    bench = Bench(dut, idle, stall)
    stations = Stations(bench.tb.seed(), FLOWS)
    stations.talk(150)
    await bench.start()
    await bench.go_through(stations.events, stations.expected)
    await bench.finish()


@cocotb.test()
async def goes_on_with_the_same_flows_for_long(dut: Any) -> None:
    bench = Bench(dut)
    stations = Stations(bench.tb.seed(), FLOWS)
    stations.talk(1500)
    await bench.start()
    await bench.go_through(stations.events, stations.expected)
    await bench.finish()
    told = {name: sum(outcome.reason.name == name for outcome in stations.expected) for name in bench.alarms.count}
    assert bench.alarms.count == told
    assert told["FLOW_FULL"]


@cocotb.test()
async def without_words_no_flow_begins_and_others_go_on(dut: Any) -> None:
    bench = Bench(dut, words=30)
    stations = Stations(bench.tb.seed(), FLOWS, limit=30)
    stations.talk(400)
    await bench.start()
    await bench.go_through(stations.events, stations.expected)
    await bench.finish()
    assert bench.alarms.count["ENTROPY_EMPTY"] > 0


@cocotb.test()
@cocotb.parametrize(idle=list(PAUSES), stall=list(PAUSES))
async def serves_both_directions_at_once(dut: Any, idle: str, stall: str) -> None:
    bench = Bench(dut, idle, stall)
    stations = Stations(bench.tb.seed(), FLOWS)
    stations.talk(60)
    await bench.start()
    sent = [event for event in stations.events if isinstance(event, Sent)]
    await bench.go_together(sent, specification(FLOWS))
    await bench.finish()


@cocotb.test()
async def smallest_frames_of_one_flow_come_both_ways_as_fast_as_the_table_allows(dut: Any) -> None:
    bench = Bench(dut)
    await bench.start()
    there = canonical(Port.CLUSTER, Ip4(Udp(b"there", 40000, 53)))
    expected = specification(FLOWS)
    first = specified(expected, there)
    assert first.frame is not None
    back = canonical(Port.WORLD, Ip4(Udp(b"back", 53, int.from_bytes(first.frame[34:36])), Port.WORLD))
    await bench.go_through([there], [first])
    count = 40
    await bench.go_together([there, back] * count, expected)
    for o in bench.o:
        cycles = o.cycles[-(count - 2) * beats(there) :]
        took = cycles[-1] - cycles[0] + 1
        assert took <= FRAME_CYCLES[design_under_test().lanes] * (count - 2), f"{o.name}: {took} cycles"
    await bench.finish()


def beats(sent: Sent) -> int:
    return -(-len(sent.frame) // design_under_test().lanes)


@cocotb.test()
async def a_stalled_output_holds_its_own_direction_back_and_loses_nothing(dut: Any) -> None:
    bench = Bench(dut)
    await bench.start()
    expected = specification(FLOWS)
    lanes = design_under_test().lanes
    there = [canonical(Port.CLUSTER, Ip6(Udp(bytes((n,)) * 1400, 40000, 53))) for n in range(3 + lanes)] * 4
    back = [canonical(Port.WORLD, Ip4(Udp(b"", 40000 + n, 53), Port.WORLD)) for n in range(4)]
    bench.o[Port.CLUSTER].stall = lambda: True
    for sent in (*there, *back):
        bench.send(sent)
    await bench.tb.cycles(1000)
    assert len(bench.i[Port.CLUSTER].sent) < len(there)
    assert len(bench.i[Port.WORLD].sent) == len(back)
    await bench.o[Port.WORLD].expect([Frame(specified(expected, sent).frame or b"") for sent in back])
    bench.o[Port.CLUSTER].stall = lambda: False
    await bench.o[Port.CLUSTER].expect([Frame(specified(expected, sent).frame or b"") for sent in there])
    await bench.finish()


@cocotb.test()
async def reset_in_mid_frame_forgets_frames_and_flows(dut: Any) -> None:
    bench = Bench(dut)
    await bench.start()
    for _ in range(6):
        stations = Stations(bench.tb.seed(), FLOWS)
        stations.talk(30)
        sent = [event for event in stations.events if isinstance(event, Sent)]
        for event in sent:
            bench.send(event)
        await bench.tb.cycles(bench.tb.random.randrange(80, 1000))
        await bench.tb.reset()
        bench.offer_words()
        assert dut.busy.value == 0
        await bench.go_through(stations.events, stations.expected)
    await bench.finish()


@cocotb.test()
async def clearing_frees_every_flow_and_ticks_those_that_are_not_used(dut: Any) -> None:
    bench = Bench(dut)
    await bench.start()
    begins = [canonical(Port.CLUSTER, Ip4(Udp(b"", 40000 + n, 53))) for n in range(FLOWS // 4)]
    syns = [canonical(Port.WORLD, Ip4(Tcp(2, source=50000 + n), Port.WORLD)) for n in range(5)]

    async def used() -> tuple[int, int]:
        # Longer than a round of the sweep, which looks at a slot in 4 cycles or a few more.
        await bench.tb.cycles(16 * FLOWS)
        return int(dut.in_use_cluster.value), int(dut.in_use_world.value)

    expected = specification(FLOWS)
    outcomes = [specified(expected, sent) for sent in (*begins, *syns)]
    await bench.go_through([*begins, *syns], outcomes)
    forwarded = [sum(outcome.reason is Reason.FORWARDED for outcome in part) for part in (outcomes[:-5], outcomes[-5:])]
    assert await used() == tuple(forwarded)
    for _ in range(UNUSED_TICKS - 1):
        await bench.pulse(dut.tick)
    await bench.go_through(syns[:1], [Outcome(Reason.FORWARDED, outcomes[-5].altered, outcomes[-5].frame)])
    assert await used() == tuple(forwarded)
    await bench.pulse(dut.tick)
    assert await used() == (0, 1)
    assert dut.ticks.value == UNUSED_TICKS
    await bench.pulse(dut.clear)
    assert await used() == (0, 0)
    await bench.go_through(syns[:1], [later(expected, syns[0])])
    await bench.finish()


@cocotb.test()
async def ticks_in_quick_succession_make_no_flow_young_again(dut: Any) -> None:
    bench = Bench(dut)
    await bench.start()
    expected = specification(FLOWS)
    begins = [canonical(Port.CLUSTER, Ip4(Tcp(2, source=40000 + n))) for n in range(4)]
    segment = canonical(Port.CLUSTER, Ip4(Tcp(4, source=40003, sequence=2)))
    wrap = 1 << STAMP_BITS
    for ticks in (UNUSED_TICKS, *range(wrap - 2, wrap + 4), 2 * wrap, 2 * wrap + 1):
        await bench.go_through(begins, [specified(expected, sent) for sent in begins])
        dut.tick.value = 1
        await bench.tb.cycles(ticks)
        dut.tick.value = 0
        for _ in range(ticks):
            expected.table.tick()
        await bench.go_through([segment], [specified(expected, segment)])
        assert bench.verdicts.judged[-1][1] is Reason.FLOW_UNKNOWN
    await bench.finish()


def later(expected: Specification, sent: Sent) -> Outcome:
    """What becomes of it once all flows are gone."""
    for _ in range(UNUSED_TICKS):
        expected.table.tick()
    return specified(expected, sent)


@cocotb.test()
async def what_is_not_canonical_is_dropped(dut: Any) -> None:
    bench = Bench(dut)
    await bench.start()
    whole = [
        canonical(Port.CLUSTER, packet).frame
        for packet in (Ip4(Tcp(2)), Ip6(Tcp(2, b"\2\4\5\xb4")), Ip4(Udp(b"datagram")), Ip6(Udp(b"datagram")))
    ]
    cut = [frame[:length] for frame in whole for length in range(1, 40)]
    odd = [frame[:12] + b"\x88\xb5" + frame[14:] for frame in whole]
    odd += [frame[:14] + bytes((frame[14] ^ 1,)) + frame[15:] for frame in whole if frame[14] == 0x45]
    sent = [Sent(Port.CLUSTER, frame) for frame in (*cut, *odd)]
    await bench.go_through(sent, [Outcome(Reason.FLOW_UNKNOWN)] * len(sent))
    await bench.finish()
