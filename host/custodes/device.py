# SPDX-License-Identifier: Apache-2.0
"""Devices behind a `Link`: who they are, and how they are opened; a warden, its policy, and its counters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TypeVar

from custodes.errors import DeviceError
from custodes.flow_table import TICK_CYCLES
from custodes.link import Link, open_link
from custodes.output import output_path
from custodes.policy import Policy
from custodes.registers import (
    FLOW_CONTROL,
    FLOW_TICK,
    FLOWS_REGISTER,
    IDENTITY,
    IDENTITY_VALUE,
    LANES,
    TICK,
    VOCABULARY,
    VOCABULARY_VALUE,
    field_counter,
    policy_writes,
    reason_counter,
)
from custodes.seed_registers import MOST_WORDS, seed_writes
from custodes.table import SCRUBBED, Port, Reason

COUNTER_NAMES: dict[int, str] = {
    **{reason_counter(port, reason): f"{port.name.lower()} {reason.name}" for port in Port for reason in Reason},
    **{field_counter(port, i): f"{port.name.lower()} {row.key}" for port in Port for i, row in enumerate(SCRUBBED)},
}
"""Address of every counter -> what it counts."""
TICK_UNIT_NS = TICK_CYCLES * 8
"""Of the period of a policy's ticks, in a device whose clock is that of 1 Gbit/s."""
_READINGS = 16
T = TypeVar("T")


def identify(link: Link, kind: str, identity_value: int, vocabulary_value: int) -> None:
    """Raise `DeviceError` where what answers is no ``kind``, is of another version or has another lane count."""
    identity, lanes = link.read(IDENTITY), link.read(LANES)
    if identity == 0xFFFF_FFFF:
        raise DeviceError("the device reads all ones: it is not powered, not configured or not connected")
    if identity != identity_value:
        raise DeviceError(f"the device is no {kind}: its identity is {identity:#010x}, not {identity_value:#010x}")
    if link.read(VOCABULARY) != vocabulary_value:
        raise DeviceError(
            "the device was built from another version than this host; run `make sim` or `make sim TRACE=1` again"
        )
    if lanes != link.lanes:
        raise DeviceError(f"the device has {lanes} lanes, not {link.lanes}")


def at_rest(read: Callable[[], T]) -> T:
    """What counters read once two readings agree: counting trails the last frame by some cycles."""
    before = None
    for _ in range(_READINGS):
        now = read()
        if now == before:
            return now
        before = now
    raise DeviceError("the device's counters do not come to rest")


class Warden:
    """A warden that has said who it is.

    Raises:
        DeviceError: what answers is no warden, or has another lane count than it was opened with.
    """

    def __init__(self, link: Link) -> None:
        self.link = link
        identify(link, "warden", IDENTITY_VALUE, VOCABULARY_VALUE)

    def load(self, policy: Policy) -> None:
        """Put a policy into the device. Raises `PolicyError` where its table cannot hold it."""
        for address, value in list(policy_writes(policy)):
            self.link.write(address, value)

    @property
    def flows(self) -> int:
        """Slots of its flow table; 0: it has none, and what only the state of a flow can scrub passes as it is."""
        return self.link.read(FLOWS_REGISTER)

    def seed(self, seed: bytes, limit: int = MOST_WORDS) -> None:
        """Give a warden that has flows, but no coin, the words of entropy that ``seed`` makes, so many for each side, from
        the first one on. Flows that there are keep theirs."""
        for address, value in seed_writes(seed, limit):
            self.link.write(address, value)

    def hold_ticks(self) -> None:
        """Let flows grow no older by the device's clock, until a policy is loaded."""
        self.link.write(FLOW_TICK, 0)

    def tick(self) -> None:
        """Every flow is a tick older."""
        self.link.write(FLOW_CONTROL, TICK)

    def counters(self) -> dict[int, int]:
        """Every counter by address, once they have come to rest."""
        return at_rest(lambda: {address: self.link.read(address) for address in COUNTER_NAMES})


@contextmanager
def opened(make: Callable[[Link], T], name: str, lanes: int, waveform: Path | None = None) -> Iterator[T]:
    """Open a device by name for the length of a block, as what ``make`` makes of it; raises `DeviceError`.

    Args:
        waveform: record every signal into this VCD file. It appears when the block ends, or raises a `DeviceError`
            whose reason it may show; otherwise there is none. `CaptureError` where it cannot be written.
    """
    if waveform is None:
        with open_link(name, lanes) as link:
            yield make(link)
        return
    failure: DeviceError | None = None
    with output_path(waveform) as recording, open_link(name, lanes, recording) as link:
        device = make(link)
        try:
            yield device
        except DeviceError as error:
            failure = error
    if failure is not None:
        raise failure


def open_warden(name: str, lanes: int = 1, waveform: Path | None = None) -> AbstractContextManager[Warden]:
    """Open a warden by name for the length of a block, as `opened` describes."""
    return opened(Warden, name, lanes, waveform)
