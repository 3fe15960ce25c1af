# SPDX-License-Identifier: Apache-2.0
"""What leaves in the place of a frame's words, once its flow and numbers are known."""

from typing import Any

from amaranth import Cat, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from custodes.flow_table import FlowKind
from custodes.table import INDEX, SCRUBBED
from gateware.flow.checksum import LATENCY_CYCLES as CHECKSUM_CYCLES
from gateware.flow.checksum import ChecksumUpdate
from gateware.flow.geometry import Geometry
from gateware.flow.layouts import HEADER, POLICY, VERDICT, Place
from gateware.flow.numbers import EDGE_SUM_BITS
from gateware.pick import gated

MORE = Place.CHECKSUM
"""In its turn what the sum grows by that is in no word, as the checksum itself is not known."""
WORD_CYCLES = 2
"""From the start until there is the first word."""
TURNED = WORD_CYCLES + len(Place)
"""The cycle after the start in which all that came has been added: of the words the last is not."""
LATENCY_CYCLES = WORD_CYCLES + MORE.value + CHECKSUM_CYCLES


class Outcome(wiring.Component):
    """Puts together what the way out needs, word by word: first as they came, for the checksum, then as they leave.

    Args:
        geometry: of the table.

    Members:
        before: the header is there, and nothing of the following yet; until 9 cycles after the ``start`` and more.
        start: for one cycle, before the words that came, and again with what is to leave.
        header, flow; sequence, acknowledgement, window, edge_sum: of a frame that is forwarded; held.
        edge_delta: is taken from its SACK edges.
        policy: the device's.
        write, place, word: what leaves in the place of a word; in turn, the last 7 cycles after the ``start``.
        verdict, checksum; altered: what it becomes, the word that is not among those, and a bit per row of the scrub table
            that differs; 10 cycles after the ``start``.
    """

    before: Signal
    start: Signal
    header: data.View
    flow: data.View
    sequence: Signal
    acknowledgement: Signal
    window: Signal
    edge_sum: Signal
    edge_delta: Signal
    policy: data.View
    write: Signal
    place: Any
    word: Signal
    verdict: data.View
    checksum: Signal
    altered: Signal

    def __init__(self, geometry: Geometry) -> None:
        super().__init__(
            {
                "before": In(1),
                "start": In(1),
                "header": In(HEADER),
                "flow": In(geometry.found),
                "sequence": In(32),
                "acknowledgement": In(32),
                "window": In(16),
                "edge_sum": In(EDGE_SUM_BITS),
                "edge_delta": In(32),
                "policy": In(POLICY),
                "write": Out(1),
                "place": Out(Place),
                "word": Out(32),
                "verdict": Out(VERDICT),
                "checksum": Out(16),
                "altered": Out(len(SCRUBBED)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        header, flow, verdict = self.header, self.flow, self.verdict
        is_tcp, is_echo = header.kind == FlowKind.TCP, header.kind == FlowKind.ECHO
        # The port of the initiator is the one that changes: on the way to the responder it is mapped.
        port, other = Signal(16, reset_less=True), Signal(16)
        port_before = Signal(16)
        m.d.comb += [
            port_before.eq(Mux(flow.begun, header.source_port, header.destination_port)),
            other.eq(Mux(flow.begun | self.before, header.destination_port, header.source_port)),
        ]
        with m.If(self.before | (flow.begun & ~flow.mapped)):
            m.d.sync += port.eq(header.source_port)
        with m.Else():
            m.d.sync += port.eq(Mux(flow.begun, Cat(flow.field, 1), flow.initiator_port))
        # What there is to choose is known long before there is what it is chosen from.
        low, high = (Signal(2, name=f"present_{half}") for half in ("low", "high"))
        asks = (is_tcp & ~header.error) | (is_echo & ~header.reply)
        answers = (is_tcp & (header.ack | header.error)) | (is_echo & header.reply)
        m.d.sync += [low.eq(Cat(asks, answers)), high.eq(Mux(is_echo, 0, Cat(asks, answers)))]
        # The words of which the checksum is, as they came and then as they leave.
        sequence, acknowledgement = Signal(32, reset_less=True), Signal(32, reset_less=True)
        for at, (number, leaves, came) in enumerate(
            (
                (sequence, self.sequence, header.sequence),
                (acknowledgement, self.acknowledgement, header.acknowledgement),
            )
        ):
            there = Cat(Mux(low[at], leaves[:16], 0), Mux(high[at], leaves[16:], 0))
            m.d.sync += number.eq(Mux(self.before, came, there))
        window, scale = Signal(16, reset_less=True), Signal(4, reset_less=True)
        m.d.sync += [
            window.eq(Mux(self.before, header.window, self.window)),
            scale.eq(Mux(self.before, header.scale, Mux(header.scaled, self.policy.window_scale, 0))),
        ]
        self._go_through(m, (sequence, acknowledgement), port, other, (window, scale))
        m.d.comb += [
            verdict.forward.eq(1),
            verdict.tagged.eq(header.tagged),
            verdict.ipv6.eq(header.ipv6),
            verdict.kind.eq(header.kind),
            verdict.error.eq(header.error),
            verdict.scaled.eq(header.scaled),
            verdict.edges.eq(header.edges),
        ]
        self._alter(m, sequence, acknowledgement, port != port_before, window, scale)
        return m

    def _go_through(
        self, m: Module, numbers: tuple[Value, Value], port: Value, other: Value, offers: tuple[Value, Value]
    ) -> None:
        """The words, one after the other: each is put together of parts, the gates of which are registers."""
        header, turn = self.header, Signal(TURNED)
        m.submodules.update = update = ChecksumUpdate()
        echo, error, mapped = header.kind == FlowKind.ECHO, header.error, self.flow.begun ^ header.error
        soon = Cat(self.start, turn)
        first, second, third, window, more, delta = (soon[place.value] for place in Place)

        def part(gate: Value, value: Value) -> tuple[Value, Value]:
            opens = Signal()
            m.d.sync += opens.eq(gate)
            return opens, value

        # Of echo there is one port and one number, and all is in the first word; an error has its only number in the second.
        sequence = second & ~error
        acknowledgement = Mux(error, second, third)
        forth, back = first & (echo | mapped), first & (echo | ~mapped)
        parts = {
            "low": (
                part(sequence | (first & echo), numbers[0][:16]),
                part(acknowledgement | (first & echo), numbers[1][:16]),
                part(first & ~echo & mapped, other),
                part(first & ~echo & ~mapped, port),
                part(window, offers[0]),
                part(more & self.before, header.checksum),
                part(more & ~self.before, self.edge_sum[:16]),
                part(delta, self.edge_delta[:16]),
            ),
            "high": (
                part(sequence, numbers[0][16:]),
                part(acknowledgement, numbers[1][16:]),
                part(forth, port),
                part(back, other),
                part(window, offers[1]),
                part(more & ~self.before, self.edge_sum[16:]),
                part(delta, self.edge_delta[16:]),
            ),
        }
        word, counts, adds = Signal(32, reset_less=True), Signal(), Signal()
        m.d.sync += [
            turn.eq(soon),
            word.eq(Cat(*(gated(half)[:16] for half in parts.values()))),
            counts.eq(first | window | more | (~echo & (sequence | acknowledgement))),
            adds.eq(counts),
            self.write.eq(turn[: len(Place)].any() & ~self.before),
            Value.cast(self.place).eq(gated((turn[place.value], place.value) for place in Place)),
        ]
        m.d.comb += [
            self.word.eq(word),
            self.checksum.eq(update.o),
            update.start.eq(turn[0] & self.before),
            update.add.eq(adds),
            update.word.eq(word),
            update.turn.eq(turn[TURNED - 1] & self.before),
            update.udp.eq((header.kind == FlowKind.UDP) & ~header.error),
        ]

    def _alter(
        self, m: Module, sequence: Value, acknowledgement: Value, port_changes: Value, window: Value, scale: Value
    ) -> None:
        header = self.header
        opens, is_echo = header.syn, (header.kind == FlowKind.ECHO) & ~header.error
        numbers, port, shape, shifts = Signal(2), Signal(), Signal(), Signal()
        numbers_change = numbers.any()
        m.d.sync += [
            port.eq(port_changes),
            numbers.eq(Cat(sequence != header.sequence, acknowledgement != header.acknowledgement)),
            shape.eq(window != header.window),
            shifts.eq(header.scaled & (scale != header.scale)),
        ]
        rows = {
            "icmp_id_seq": is_echo & (port | numbers_change),
            "tcp_source_port": opens & port,
            "tcp_isn": opens & numbers_change,
            "tcp_window_scale": opens & shifts,
            "tcp_sack": (header.edges != 0) & (self.edge_delta != 0),
            "tcp_window": shape,
        }
        for key, altered in rows.items():
            m.d.sync += self.altered[INDEX[key]].eq(altered)
