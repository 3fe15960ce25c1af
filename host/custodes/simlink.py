# SPDX-License-Identifier: Apache-2.0
"""The verilated device as a `Link`: a shared object with a C ABI, built by ``make sim``."""

from __future__ import annotations

import ctypes
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from custodes.errors import CaptureError, DeviceError
from custodes.link import DIALECTS, Ingress, Link, Outcome
from custodes.macsec import MAX_SEALED_BYTES, Side
from custodes.table import Port

LANES = (1, 8, 64)
ABI = 3
WAVEFORM_LOST = -2
BUFFER_BYTES = 4 * MAX_SEALED_BYTES
"""More than any frame that leaves."""
CYCLES_PER_FRAME = 1 << 14
"""Far more than any frame spends inside, also where a flow table is cleared before it: a device that needs longer is
stuck."""
GLANCE_CYCLES = 256
"""From one look for what has come out to the next."""

_u32, _u64, _i32, _i64 = ctypes.c_uint32, ctypes.c_uint64, ctypes.c_int32, ctypes.c_int64
_bytes, _device = ctypes.c_char_p, ctypes.c_void_p
_PROTOTYPES: dict[str, tuple[Any, list[Any]]] = {
    "custodes_abi": (_u32, []),
    "custodes_lanes": (_u32, []),
    "custodes_open": (_device, [_bytes]),
    "custodes_close": (_i32, [_device]),
    "custodes_reset": (None, [_device]),
    "custodes_cycles": (_u64, [_device]),
    "custodes_pause": (None, [_device, _u32, _u32, _u64]),
    "custodes_send": (None, [_device, _u32, _bytes, _u32, _u32]),
    "custodes_run": (_i64, [_device, _u64]),
    "custodes_pending": (_u64, [_device, _u32]),
    "custodes_step": (None, [_device, _u64]),
    "custodes_take": (_i64, [_device, _u32, ctypes.POINTER(_u32), ctypes.POINTER(_u64), ctypes.c_char_p, _u64]),
}
_BUS: dict[str, tuple[Any, list[Any]]] = {
    "custodes_write": (None, [_device, _u32, _u32]),
    "custodes_read": (_u32, [_device, _u32]),
}
_TAMPER: dict[str, tuple[Any, list[Any]]] = {"custodes_tamper": (None, [_device, _u32])}
_words = ctypes.POINTER(_u32)
_GATEWAY: dict[str, tuple[Any, list[Any]]] = {
    "custodes_power": (_u32, [_device]),
    "custodes_unplug": (None, [_device, _u32]),
    "custodes_word": (None, [_device, _u32]),
    "custodes_unsent": (_u64, [_device]),
    "custodes_left": (_i64, [_device, _u32, ctypes.c_char_p, _u64]),
}
_CONTROL: dict[str, tuple[Any, list[Any]]] = {
    "custodes_access": (_i32, [_device, _u32, _u32, _words]),
    "custodes_step_control": (None, [_device, _u64]),
    "custodes_control_cycles": (_u64, [_device]),
    "custodes_noise": (None, [_device, _u64, _u32, _u32, _i32]),
    "custodes_uart": (None, [_device, ctypes.c_double]),
    "custodes_uart_send": (None, [_device, _bytes, _u32]),
    "custodes_uart_unsent": (_u32, [_device]),
    "custodes_uart_receive": (_u32, [_device, _bytes, _u32]),
    "custodes_flash_size": (_u32, []),
    "custodes_flash_load": (None, [_device, _u32, _bytes, _u32]),
    "custodes_flash_save": (None, [_device, _u32, _bytes, _u32]),
}
_OWN_PROTOTYPES: dict[str, dict[str, tuple[Any, list[Any]]]] = {
    "warden": _BUS,
    "scrubber": _BUS,
    "border": _BUS
    | {
        "custodes_settle": (_i64, [_device, _u64]),
        "custodes_judged": (_u32, [_device, _u32, _words, ctypes.POINTER(_u64)]),
        "custodes_left": (_i64, [_device, _u32, ctypes.POINTER(_u64), ctypes.c_char_p, _u64]),
    },
    "processor": _BUS | _TAMPER,
    "gateway": _BUS | _TAMPER | _GATEWAY,
    "nic": _TAMPER | _CONTROL,
    "sng": _TAMPER | _CONTROL | _GATEWAY,
}
"""Functions that not every device has."""
_OWN_LANES = {"nic": (1,), "sng": (1,), "border": (1, 8), "gateway": (1, 8)}


def lanes_of(which: str) -> tuple[int, ...]:
    """The lane counts with which a device can be built."""
    return _OWN_LANES.get(which, LANES)


def library_path(which: str, lanes: int, trace: bool = False) -> Path:
    """Where ``make sim`` puts the shared object of a device."""
    name = f"{which}-{lanes}{'-trace' if trace else ''}.so"
    return Path(sys.prefix) / "share" / "custodes" / "sim" / name


def built_lanes(which: str) -> list[int]:
    """The lane counts with which a device has been built."""
    return [lanes for lanes in lanes_of(which) if library_path(which, lanes).exists()]


def _stuck(frames: int) -> DeviceError:
    return DeviceError(f"the simulated device is stuck with {frames} frames inside")


def _either(lanes: Sequence[int]) -> str:
    *others, last = map(str, lanes)
    return f"{', '.join(others)} or {last} lanes" if others else f"{last} lane"


class SimLink(Link):
    """The verilated device ``which``.

    Args:
        lanes: bytes per beat: 1, 8 or 64.
        waveform: record every signal into this VCD file; needs ``make sim TRACE=1``.
        library: another shared object than the one that ``make sim`` built.

    Raises:
        DeviceError: no such device, or not built.
        CaptureError: from `run`, `exchange` and `close`: the waveform cannot be written.
    """

    def __init__(self, which: str, lanes: int = 1, waveform: Path | None = None, library: Path | None = None) -> None:
        self._handle: int | None = None
        path = library or library_path(which, lanes, waveform is not None)
        if which not in DIALECTS or lanes not in lanes_of(which):
            names = " or ".join(f"sim:{name} with {_either(lanes_of(name))}" for name in DIALECTS)
            raise DeviceError(f"sim:{which}, lanes {lanes}: no such device; try {names}")
        if not path.exists():
            how = f"make sim TRACE=1 LANES={lanes}" if waveform else "make sim"
            what = " with waveforms" if waveform else ""
            raise DeviceError(f"sim:{which}, lanes {lanes}: not built{what}; run `{how}`")
        try:
            self._library = ctypes.CDLL(str(path))
            for name, (result, arguments) in (_PROTOTYPES | _OWN_PROTOTYPES.get(which, {})).items():
                function = getattr(self._library, name)
                function.restype, function.argtypes = result, arguments
        except (OSError, AttributeError):
            raise DeviceError(f"{path}: not a simulated device; run `make sim` again") from None
        if self._library.custodes_abi() != ABI or self._library.custodes_lanes() != lanes:
            raise DeviceError(f"{path}: built for another version; run `make sim` again")
        self.lanes = lanes
        self._reasons = DIALECTS[which].reasons
        self._waveform = waveform
        self._handle = self._library.custodes_open(None if waveform is None else os.fsencode(waveform))
        if not self._handle:
            raise DeviceError(f"{waveform}: cannot write the waveform")
        self._buffer = ctypes.create_string_buffer(BUFFER_BYTES)

    @property
    def cycles(self) -> int:
        """Clock cycles since the device was opened."""
        return self._library.custodes_cycles(self._handle)

    def read(self, address: int) -> int:
        return self._library.custodes_read(self._handle, address)

    def write(self, address: int, value: int) -> None:
        self._library.custodes_write(self._handle, address, value)

    def exchange(self, frames: Sequence[Ingress[Any]]) -> list[Outcome[Any]]:
        outstanding = self.run(self._enter(frames))
        if outstanding:
            raise _stuck(outstanding)
        return [self.take(frame.port) for frame in frames]

    def outcomes(self, frames: Sequence[Ingress[Any]]) -> Iterator[tuple[Any, Outcome[Any]]]:
        """See `Link.outcomes`: they are looked for every `GLANCE_CYCLES`."""
        until = self.cycles + self._enter(frames)
        expected = Counter(frame.port for frame in frames)
        while expected.total():
            outstanding = self.run(GLANCE_CYCLES)
            for port in expected:
                while expected[port] and (outcome := self._take(port)) is not None:
                    expected[port] -= 1
                    yield port, outcome
            if expected.total() and (not outstanding or self.cycles > until):
                raise _stuck(expected.total())

    def _enter(self, frames: Sequence[Ingress[Any]]) -> int:
        """Queue frames; returns in how many cycles they should have come through."""
        for frame in frames:
            self.send(frame)
        return sum(len(frame.frame) for frame in frames) // self.lanes * 1024 + len(frames) * CYCLES_PER_FRAME

    def send(self, frame: Ingress[Any]) -> None:
        """Queue a frame; `run` moves it."""
        self._library.custodes_send(self._handle, frame.port, frame.frame, len(frame.frame), frame.error)

    def run(self, cycles: int) -> int:
        """Run until every frame has its outcome, at most ``cycles``; returns how many have none."""
        outstanding = self._library.custodes_run(self._handle, cycles)
        if outstanding == WAVEFORM_LOST:
            self.close()
        if outstanding < 0:
            raise DeviceError("the simulated device broke the stream rule on its way out")
        return outstanding

    def take(self, port: Port | Side) -> Outcome[Any]:
        """The oldest outcome of the frames sent in at ``port``."""
        outcome = self._take(port)
        if outcome is None:
            raise DeviceError("the simulated device lost a frame")
        return outcome

    def _take(self, port: Port | Side) -> Outcome[Any] | None:
        """The same, or None: it is not there yet."""
        reason, altered = ctypes.c_uint32(), ctypes.c_uint64()
        length = self._library.custodes_take(
            self._handle, port, ctypes.byref(reason), ctypes.byref(altered), self._buffer, len(self._buffer)
        )
        if length == -1:
            return None
        if length < 0:
            raise DeviceError("an egress frame is too long")
        try:
            verdict = self._reasons[port](reason.value)
        except ValueError:
            raise DeviceError(f"the simulated device gave the unknown verdict {reason.value}") from None
        frame = ctypes.string_at(self._buffer, length) if length else None
        return Outcome(frame, verdict, altered.value)

    def has_outcome(self, port: Port | Side) -> bool:
        """Whether a verdict or a frame waits to be taken, or part of a frame is on its way out."""
        return self._library.custodes_pending(self._handle, port) != 0

    def pause(self, idle: float, stall: float, seed: int = 1) -> None:
        """Let ingress idle and egress stall in this share of the cycles, at random."""
        self._library.custodes_pause(self._handle, int(idle * 256), int(stall * 256), seed)

    def step(self, cycles: int) -> None:
        """Run for ``cycles``."""
        self._library.custodes_step(self._handle, cycles)

    def tamper(self, level: bool) -> None:
        """Drive the tamper input, which a warden does not have."""
        self._library.custodes_tamper(self._handle, level)

    def reset(self) -> None:
        """Reset the device: it forgets the frames inside and what it forwards under; tables and counters stay."""
        self._library.custodes_reset(self._handle)

    def close(self) -> None:
        if self._handle:
            handle, self._handle = self._handle, None
            error = self._library.custodes_close(handle)
            if self._waveform and error:
                raise CaptureError(f"the waveform cannot be written: {os.strerror(error)}")
