# SPDX-License-Identifier: Apache-2.0
"""What the proofs share: free inputs, a symbolic index, and the stream rule written independently of the checker."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from amaranth import ClockDomain, ClockSignal, EnableInserter, Module, Mux, Signal, Value
from amaranth.back import rtlil  # pyright: ignore[reportAttributeAccessIssue] (the stubs have no back.rtlil)
from amaranth.hdl import Assert, Assume, Cover, ShapeLike, ValueLike
from amaranth.lib import stream

COUNT_BITS = 5  # no bounded proof runs for 2**5 transfers, and the unbounded ones need room for what is inside only


@dataclass
class Harness:
    """A module around one device under test. Inputs that the solver drives become ports; so does every clock.

    With one domain the solver also drives its reset, which clears the device and the scoreboard together: a device that
    keeps anything over a reset is found out.
    """

    m: Any = field(default_factory=Module)
    ports: list[Value] = field(default_factory=list)
    covers: int = 0
    lemmas: bool = True
    edge: dict[str, Value] = field(default_factory=dict)

    def free(self, shape: ShapeLike, name: str) -> Any:
        """An input that the solver drives anew at every step."""
        signal: Any = Signal(shape, name=name)
        self.ports.append(Value.cast(signal))
        return signal

    def constant(self, shape: ShapeLike, name: str, domain: str = "sync") -> Any:
        """A value that the solver picks once."""
        value = self.free(shape, name)
        before = Signal(shape, name=f"{name}_before", reset_less=True)
        running = Signal(name=f"{name}_running", reset_less=True)
        self.m.d[domain] += [before.eq(value), running.eq(1)]
        self.assume(~running | (before == value))
        return value

    def edges(self, name: str, *derived: str) -> None:
        """A domain without reset; the solver says at each step whether its clock has an edge.

        ``derived`` are the names of domains that the device makes for itself from this clock.
        """
        if not self.edge:
            self.m.domains.sync = ClockDomain("sync", reset_less=True)
            self.ports.append(ClockSignal("sync"))
        self.m.domains += ClockDomain(name, reset_less=True)
        self.m.d.comb += ClockSignal(name).eq(ClockSignal("sync"))
        enable = self.free(1, f"{name}_edge")
        for domain in (name, *derived):
            self.edge[domain] = enable

    def device(self, make: Callable[[], Any]) -> Any:
        """The device under test, as ``dut``."""
        dut = make()
        self.m.submodules.dut = dut
        return dut

    def drive(self, i: stream.Interface, o: stream.Interface) -> None:
        """Free valid and payload into ``i``, free ready into ``o``."""
        payload = Value.cast(i.payload)
        self.m.d.comb += [
            i.valid.eq(self.free(1, "i_valid")),
            payload.eq(self.free(len(payload), "i_p")),
            o.ready.eq(self.free(1, "o_ready")),
        ]

    def check(self, condition: ValueLike) -> None:
        """A property: what must hold at every step."""
        self.m.d.comb += Assert(condition, src_loc_at=1)  # pyright: ignore[reportCallIssue] (the message is optional)

    def lemma(self, condition: ValueLike) -> None:
        """What else holds at every step, so that an induction starts where the device can be; left out unless ``lemmas``."""
        if self.lemmas:
            self.m.d.comb += Assert(condition, src_loc_at=1)  # pyright: ignore[reportCallIssue] (the message is optional)

    def assume(self, condition: ValueLike) -> None:
        """A rule that the environment keeps at every step."""
        self.m.d.comb += Assume(condition, src_loc_at=1)  # pyright: ignore[reportCallIssue] (the message is optional)

    def cover(self, condition: ValueLike) -> None:
        """What some run must reach, or the proof is a failure."""
        self.covers += 1
        self.m.d.comb += Cover(condition, src_loc_at=1)  # pyright: ignore[reportCallIssue] (the message is optional)

    def held(self, port: Any, domain: str = "sync") -> Value:
        """Valid waits for ready and the payload holds meanwhile."""
        payload = Value.cast(port.payload)
        stalled = Signal()
        earlier = Signal(len(payload))
        self.m.d[domain] += [stalled.eq(port.valid & ~port.ready), earlier.eq(payload)]
        return ~stalled | (port.valid & (earlier == payload))

    def well_formed(self, port: Any) -> Value:
        """keep is one of 1, 11, 111, ...; before the last beat it is all of them."""
        keep = port.payload.keep
        prefixes = [keep == (1 << count) - 1 for count in range(1, len(keep) + 1)]
        legal = prefixes[0]
        for prefix in prefixes[1:]:
            legal = legal | prefix
        return ~port.valid | Mux(port.payload.last, legal, prefixes[-1])

    def never_pauses_long(self, paused: ValueLike, cycles: int) -> None:
        """Environment of the unbounded proofs: at most ``cycles`` pauses in a row."""
        run = Signal(range(cycles + 2))
        self.m.d.sync += run.eq(Mux(paused, run + 1, 0))
        self.assume(run <= cycles)

    def rtlil(self) -> str:
        """The whole as RTLIL, with ``top`` as its top and the device under test in ``top.dut``."""
        m = EnableInserter(self.edge)(self.m) if self.edge else self.m
        return rtlil.convert(m, name="top", ports=self.ports)


def counter(h: Harness, step: ValueLike, name: str, bits: int = COUNT_BITS, domain: str = "sync") -> Signal:
    """Counts up by ``step`` in every cycle, modulo ``2**bits``."""
    value = Signal(bits, name=name)
    h.m.d[domain] += value.eq(value + step)
    return value
