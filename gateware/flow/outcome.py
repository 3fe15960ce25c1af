# SPDX-License-Identifier: Apache-2.0
"""What leaves in the place of a frame's words, once its flow and numbers are known."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from custodes.flow_table import FlowKind
from custodes.table import INDEX, SCRUBBED
from gateware.flow.checksum import LATENCY_CYCLES as CHECKSUM_CYCLES
from gateware.flow.checksum import ChecksumUpdate
from gateware.flow.geometry import Geometry
from gateware.flow.layouts import HEADER, POLICY, RESULT
from gateware.flow.numbers import EDGE_SUM_BITS

LATENCY_CYCLES = CHECKSUM_CYCLES + 1


class Outcome(wiring.Component):
    """Puts together what the way out needs.

    Args:
        geometry: of the table.

    Members:
        before: the header is there, and nothing of the following yet; for 4 cycles and more.
        header, flow; sequence, acknowledgement, window, edge_sum: of a frame that is forwarded; held.
        edge_delta: is taken from its SACK edges.
        policy: the device's.
        result; altered: what it becomes, and a bit per row of the scrub table that differs; 6 cycles later.
    """

    before: Signal
    header: data.View
    flow: data.View
    sequence: Signal
    acknowledgement: Signal
    window: Signal
    edge_sum: Signal
    edge_delta: Signal
    policy: data.View
    result: data.View
    altered: Signal

    def __init__(self, geometry: Geometry) -> None:
        super().__init__(
            {
                "before": In(1),
                "header": In(HEADER),
                "flow": In(geometry.found),
                "sequence": In(32),
                "acknowledgement": In(32),
                "window": In(16),
                "edge_sum": In(EDGE_SUM_BITS),
                "edge_delta": In(32),
                "policy": In(POLICY),
                "result": Out(RESULT),
                "altered": Out(len(SCRUBBED)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        header, flow, result = self.header, self.flow, self.result
        m.submodules.update = update = ChecksumUpdate(4, EDGE_SUM_BITS)
        is_tcp, is_echo = header.kind == FlowKind.TCP, header.kind == FlowKind.ECHO
        # The port of the initiator is the one that changes: on the way to the responder it is mapped.
        port, other = Signal(16), Signal(16)
        port_before = Signal(16)
        m.d.comb += [
            port_before.eq(Mux(flow.begun, header.source_port, header.destination_port)),
            other.eq(Mux(flow.begun | self.before, header.destination_port, header.source_port)),
        ]
        with m.If(self.before | (flow.begun & ~flow.mapped)):
            m.d.sync += port.eq(header.source_port)
        with m.Else():
            m.d.sync += port.eq(Mux(flow.begun, Cat(flow.field, 1), flow.initiator_port))
        asks, answers = Signal(), Signal()
        sequence, acknowledgement, window, scale = Signal(32), Signal(32), Signal(16), Signal(4)
        m.d.comb += [
            asks.eq((is_tcp & ~header.error) | (is_echo & ~header.reply)),
            answers.eq((is_tcp & (header.ack | header.error)) | (is_echo & header.reply)),
        ]
        # The words of which the checksum is, as they came and then as they leave.
        for number, own, present, came in (
            (sequence, self.sequence, asks, header.sequence),
            (acknowledgement, self.acknowledgement, answers, header.acknowledgement),
        ):
            leaves = Mux(present, Cat(own[:16], Mux(is_echo, 0, own[16:])), 0)
            m.d.sync += number.eq(Mux(self.before, came, leaves))
        m.d.sync += [
            window.eq(Mux(self.before, header.window, Mux(is_tcp, self.window, 0))),
            scale.eq(Mux(self.before, header.scale, Mux(header.scaled, self.policy.window_scale, 0))),
        ]
        m.d.comb += [
            update.before.eq(self.before),
            update.numbers[0].eq(sequence),
            update.numbers[1].eq(acknowledgement),
            update.numbers[2].eq(Cat(port, other)),
            update.numbers[3].eq(Cat(window, scale)),
            update.more.eq(Mux(self.before, header.checksum, self.edge_sum)),
            update.udp.eq((header.kind == FlowKind.UDP) & ~header.error),
        ]
        to_responder = flow.begun ^ header.error
        ports = Mux(to_responder, Cat(other, port), Cat(port, other))
        m.d.comb += [
            result.forward.eq(1),
            result.tagged.eq(header.tagged),
            result.ipv6.eq(header.ipv6),
            result.kind.eq(header.kind),
            result.error.eq(header.error),
            result.first.eq(Mux(is_echo, Cat(sequence[:16] | acknowledgement[:16], port), ports)),
            result.second.eq(Mux(header.error, acknowledgement, sequence)),
            result.third.eq(acknowledgement),
            result.window.eq(window),
            result.checksum.eq(update.o),
            result.scaled.eq(header.scaled),
            result.edges.eq(header.edges),
            result.delta.eq(self.edge_delta),
        ]
        self._alter(m, sequence, acknowledgement, port != port_before, window, scale)
        return m

    def _alter(
        self, m: Module, sequence: Value, acknowledgement: Value, port_changes: Value, window: Value, scale: Value
    ) -> None:
        header = self.header
        opens, is_echo = header.syn, (header.kind == FlowKind.ECHO) & ~header.error
        numbers_change, port, shape, shifts = Signal(), Signal(), Signal(), Signal()
        m.d.sync += [
            port.eq(port_changes),
            numbers_change.eq((sequence != header.sequence) | (acknowledgement != header.acknowledgement)),
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
