# SPDX-License-Identifier: Apache-2.0
"""The flow table of a warden while it bridges: what it holds, and how it grows old."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from custodes.device import Warden
from custodes.errors import KeysError
from custodes.policy import Policy
from custodes.registers import FLOW_ALARM, FLOW_CONTROL, FLOW_TICK, FLOWS_IN_USE, FLOWS_REGISTER, TICK, WARDEN_BLOCK
from custodes.seed_registers import SEED_BYTES, seed_writes

TICK_UNIT_SECONDS = (1 << 16) / 125e6
"""Of a policy's ticks, in a device whose clock is that of 1 Gbit/s."""


LONGEST = 1 << 10
"""Characters of a seed's file that are read."""
MOST_WORDS = (1 << 32) - 1


def load_seed(name: str) -> bytes:
    """A seed from a file of 64 hexadecimal digits; ``-`` is standard input. Raises `KeysError`."""
    try:
        text = sys.stdin.read(LONGEST) if name == "-" else _read(name)
        seed = bytes.fromhex(text)
    except OSError as error:
        raise KeysError(f"{name}: {error.strerror}") from None
    except ValueError:
        seed = b""
    if len(seed) != SEED_BYTES:
        raise KeysError(f"{name}: should hold {2 * SEED_BYTES} hexadecimal digits")
    return seed


def _read(name: str) -> str:
    with Path(name).open() as file:
        return file.read(LONGEST)


@dataclass(frozen=True)
class FlowState:
    """What a flow table holds: flows that each side has begun, of so many slots, and what has kept others from beginning
    since the bridge began. Without slots, the device has no such table."""

    slots: int = 0
    cluster: int = 0
    world: int = 0
    full: bool = False
    """There was no room in the table."""
    empty: bool = False
    """There was no word of entropy."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class Flows:
    """The flow table of a warden that has its policy. What stands in for numbers that stations choose is made of ``seed``.

    Flows grow old by this machine's clock and no longer by the device's: of a simulated one, cycles pass only while frames
    do.
    """

    def __init__(self, warden: Warden, policy: Policy, seed: bytes) -> None:
        self._link = warden.link
        self.tick_seconds = policy.flow.tick * TICK_UNIT_SECONDS
        """0: they do not grow old."""
        self._link.write(FLOW_TICK, 0)
        self._link.write(FLOW_ALARM, self._link.read(FLOW_ALARM))
        if self.state().slots:
            for address, value in seed_writes(seed, MOST_WORDS):
                self._link.write(address, value)

    def tick(self) -> None:
        """Every flow is a tick older."""
        self._link.write(FLOW_CONTROL, TICK)

    def state(self) -> FlowState:
        """What the table holds now."""
        used, alarm = WARDEN_BLOCK["FLOWS_IN_USE"], WARDEN_BLOCK["FLOW_ALARM"]
        words, bits = self._link.read(FLOWS_IN_USE), self._link.read(FLOW_ALARM)
        return FlowState(
            self._link.read(FLOWS_REGISTER),
            used.field("CLUSTER").of(words),
            used.field("WORLD").of(words),
            bool(bits & alarm.field("FULL").mask),
            bool(bits & alarm.field("EMPTY").mask),
        )
