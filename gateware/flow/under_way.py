# SPDX-License-Identifier: Apache-2.0
"""What the engine holds of a frame."""

from amaranth import Signal
from amaranth.hdl import Mux, Value
from amaranth.lib import enum

from custodes.flow_table import FlowKind
from custodes.table import Reason
from gateware.control.guarded import guarded
from gateware.flow.geometry import Geometry
from gateware.flow.layouts import END, HEADER
from gateware.flow.outcome import LATENCY_CYCLES


class Doing(enum.Enum, shape=6):
    """What is under way. SEC_CM: FLOW.MODE.GUARDED"""

    REST = 0b000_000
    TAKE = 0b001_011
    LOOKUP = 0b010_101
    READ = 0b011_110
    NUMBERS = 0b100_110
    PLACE = 0b101_101
    KEEP = 0b110_011
    JUDGE = 0b111_000


class UnderWay:
    """The frame under way: its ``header``, the ``side`` that it is from, whether it has a ``payload``, and the sequence
    number that follows its ``end``; its ``flow``, and what is kept of both ends of that; whether it has ``begun`` one, for
    one cycle, and whether that ``replaces`` the one that was found, which has the slot ``replaced``; ``reason``: what
    becomes of it. No frame is taken while they are ``held`` up, and none goes on after a ``fault``: what is under way is
    nothing that there is."""

    def __init__(self, geometry: Geometry) -> None:
        self.doing, self.fault = guarded(Doing)
        self.waited = Signal(range(LATENCY_CYCLES + 2))
        self.header = Signal(HEADER, reset_less=True)
        self.side = Signal()
        self.payload = Signal()
        self.end = Signal(32)
        self.flow = Signal(geometry.found, reset_less=True)
        self.own = Signal(END, reset_less=True)
        self.peer = Signal(END, reset_less=True)
        self.begun = Signal()
        self.replaces = Signal()
        self.replaced = Signal(geometry.slot_bits)
        self.reason = Signal(Reason)
        self.held = Signal()

    @property
    def is_tcp(self) -> Value:
        return self.header.kind == FlowKind.TCP

    @property
    def is_echo(self) -> Value:
        return self.header.kind == FlowKind.ECHO

    @property
    def translated(self) -> Value:
        return self.header.kind != 0

    @property
    def may_begin(self) -> Value:
        header = self.header
        return ~header.error & Mux(self.is_tcp, header.syn & ~header.ack, ~header.reply)
