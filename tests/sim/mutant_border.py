# SPDX-License-Identifier: Apache-2.0
"""A simulated border that can be any of its mutants, the same conversation through each, and what watchers have of it."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from custodes.border import Border
from custodes.border_registers import STORE_BYTES
from custodes.coin import CoinError
from custodes.coin_registers import Party
from custodes.errors import DeviceError
from custodes.fingerprint import Record
from custodes.link import Ingress
from custodes.model import Warden
from custodes.model.entropy import Words, commitment, seed
from custodes.registers import initial_writes
from custodes.retimer import DEPARTURE_CYCLES, DUMMY_ETHERTYPE, Schedule, Size
from custodes.simborder import Departure, SimBorder
from custodes.table import Port
from custodes.watch import Limits, Seen
from custodes.watch_epoch import Epoch
from custodes.watch_schedule import Timetable
from gateware.devices.border import Border as BorderGateware
from sim.build import Target, make_library
from sim.mutants import Mutants
from tests import frames
from tests.host.watch_traces import CYCLE_NS, START_NS, Tapped, traffic

CACHE = Path(__file__).parents[2] / "build" / "sim"
POLICY = frames.POLICY.model_copy(update={"flow": frames.POLICY.flow.model_copy(update={"tick": 1})})
"""With ticks as often as may be, so that there are some to be counted."""
NUMBER = 7
LIMIT = 1000
SHARES = {party: bytes([party + 1]) * 32 for party in Party}
SALT = bytes(32)
SEED = seed(NUMBER, *SHARES.values())
ROUNDS = 2
BEAT_CYCLES = 104_000
"""Little more than the shortest beat with the schedule that a border has after its reset."""
BEGIN_CYCLES = 16_000
"""The policy is in the device then, and the coin has been flipped."""
GAP_CYCLES = 320
"""From the last byte of a frame to the first of the next, so that the device has the frames in their order."""
END_CYCLES = 3 * BEAT_CYCLES + 8_000
MOST_RECORDS = 16
"""That are taken from a device, which should have six."""
LIMITS = Limits(uncertainty_ns=CYCLE_NS, delay_ns=12_000)


class MutantBorder(SimBorder):
    """The border as its mutant ``number``, from its reset on; 0: as it is."""

    def __init__(self, library: Path, number: int) -> None:
        super().__init__(1, library=library)
        mutate = self._library.custodes_mutate
        mutate.restype, mutate.argtypes = None, [ctypes.c_void_p, ctypes.c_uint32]
        mutate(self._handle, number)
        self.reset()
        self._buffer = ctypes.create_string_buffer(END_CYCLES)

    def until(self, cycle: int) -> None:
        """Run until that cycle."""
        self.step(max(cycle - self.cycles, 0))


def build(mutants: Mutants) -> Path:
    """The shared object of a border with mutants."""
    return make_library(Target("border", 1), BorderGateware(1), CACHE, mutants)


class Sent(NamedTuple):
    """A frame, and when a station sends it."""

    cycle: int
    port: Port
    frame: bytes


def conversation() -> list[Sent]:
    """What stations send that hear what an honest warden lets out."""
    passage = Tapped(Warden(POLICY, Words(SEED, LIMIT)))
    traffic(passage, ROUNDS)
    every = sorted((seen.time_ns, port, seen.frame) for port, stream in passage.sent.items() for seen in stream)
    found: list[Sent] = []
    cycle = BEGIN_CYCLES
    for _, port, frame in every:
        found.append(Sent(cycle, port, frame))
        cycle += len(frame) + GAP_CYCLES
    assert cycle < END_CYCLES
    return found


class Shown(NamedTuple):
    """What a device shows of itself: what leaves at each port, with its cycle, and its records."""

    left: dict[Port, list[Departure]]
    records: list[Record]

    def epoch(self, sent: Sequence[Sent], origin: int) -> Epoch:
        """What a watcher has of it, who knows that a slot began with cycle ``origin``."""
        return Epoch(
            POLICY,
            {port: [Seen(_time(one.cycle), one.frame) for one in sent if one.port is port] for port in Port},
            {port: [Seen(_time(cycle), frame) for cycle, frame in self.left[port]] for port in Port},
            NUMBER,
            SEED,
            LIMIT,
            records=self.records,
            timetable=Timetable(Schedule(), Size(1, STORE_BYTES), origin_ns=_time(origin), tolerance_ns=CYCLE_NS // 2),
            limits=LIMITS,
            beat_ns=BEAT_CYCLES * CYCLE_NS,
        )

    def delayed(self, honest: Shown) -> bool:
        """Whether all that an honest one lets out leaves in the same order, only at other times."""
        return self.left != honest.left and all(self._frames(port) == honest._frames(port) for port in Port)

    def _frames(self, port: Port) -> list[bytes]:
        dummy = DUMMY_ETHERTYPE.to_bytes(2)
        return [frame for _, frame in self.left[port] if frame[12:14] != dummy]

    @property
    def origin(self) -> int:
        """The cycle with which that slot began in which the first frame left for the world."""
        return self.left[Port.WORLD][0].cycle - DEPARTURE_CYCLES


def _time(cycle: int) -> int:
    return START_NS + cycle * CYCLE_NS


def run(library: Path, number: int, sent: Sequence[Sent]) -> Shown:
    """Let a mutant have the conversation, whatever it answers."""
    link = MutantBorder(library, number)
    try:
        for address, value in initial_writes(POLICY):
            link.write(address, value)
        with suppress(DeviceError):
            border = Border(link)
            border.beat_cycles = BEAT_CYCLES
            with suppress(CoinError):
                _flip(border)
        for one in sent:
            link.until(one.cycle)
            link.send(Ingress(one.port, one.frame))
        link.until(END_CYCLES)
        return Shown({port: link.left(port) for port in Port}, [*_records(link)])
    finally:
        link.close()


def _flip(border: Border) -> None:
    border.coin.begin(NUMBER, LIMIT)
    for party in Party:
        border.coin.commit(party, commitment(party, NUMBER, SHARES[party], SALT))
    for party in Party:
        border.coin.reveal(party, SHARES[party], SALT)


def _records(link: SimBorder) -> Iterator[Record]:
    with suppress(DeviceError):
        yield from islice(Border(link).records(), MOST_RECORDS)
