# SPDX-License-Identifier: Apache-2.0
"""The simulated device ``sng``, a gateway with control, as a `Link`."""

from __future__ import annotations

from pathlib import Path

from custodes.simgateway import SimPorts
from custodes.simnic import SimControl


class SimSng(SimControl, SimPorts):
    """The verilated gateway with its control; see `SimControl` and `SimPorts`."""

    def __init__(self, flash: Path | None = None, waveform: Path | None = None, library: Path | None = None) -> None:
        super().__init__("sng", flash, waveform, library)
