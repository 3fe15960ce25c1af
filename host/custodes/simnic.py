# SPDX-License-Identifier: Apache-2.0
"""Simulated devices with control as a `Link`, and what is at its pins: flash, noise source, UART."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

from custodes.errors import DeviceError, RefusedError
from custodes.simlink import SimLink

CLOCK_HZ = 62_500_000
"""Of the control, had it a clock that tells time."""
FLASH_BYTES = 64 << 10
"""At the end of the flash: what the firmware keeps there."""
UART_PIECE_BYTES = 4096
NOISE_PARTS = 1 << 16
NOISE_SEED = 0x9E3779B97F4A7C15


class SimControl(SimLink):
    """A verilated device with control.

    Args:
        which: ``nic`` or ``sng``.
        flash: a file that the end of the flash is loaded from, where it exists, and saved into when the device is closed;
            without one, the flash is blank, and forgotten.
        waveform, library: see `SimLink`.

    Raises:
        DeviceError: not built, or a flash that cannot be read; from `close`: one that cannot be written.
        RefusedError: from `read` and `write`.
    """

    def __init__(self, which: str, flash: Path | None, waveform: Path | None, library: Path | None) -> None:
        super().__init__(which, 1, waveform, library)
        self._file = flash
        self._flash_at = self._library.custodes_flash_size() - FLASH_BYTES
        if flash is not None:
            try:
                self._load(flash)
            except DeviceError:
                self._file = None
                self.close()
                raise

    def _load(self, path: Path) -> None:
        try:
            image = path.read_bytes()
        except FileNotFoundError:
            return
        except OSError as error:
            raise DeviceError(f"{path}: cannot read the flash: {error.strerror}") from None
        if len(image) != FLASH_BYTES:
            raise DeviceError(f"{path}: no image of a flash: {len(image)} bytes, not {FLASH_BYTES}")
        self.flash = image

    @property
    def flash(self) -> bytes:
        """The last `FLASH_BYTES` of the flash, as they are now."""
        image = ctypes.create_string_buffer(FLASH_BYTES)
        self._library.custodes_flash_save(self._handle, self._flash_at, image, FLASH_BYTES)
        return image.raw

    @flash.setter
    def flash(self, image: bytes) -> None:
        if len(image) != FLASH_BYTES:
            raise ValueError(f"{len(image)} bytes, not {FLASH_BYTES}")
        self._library.custodes_flash_load(self._handle, self._flash_at, image, FLASH_BYTES)

    @property
    def control_cycles(self) -> int:
        """Cycles of the control's clock since the device was opened."""
        return self._library.custodes_control_cycles(self._handle)

    def read(self, address: int) -> int:
        return self._access(False, address, 0)

    def write(self, address: int, value: int) -> None:
        self._access(True, address, value)

    def _access(self, write: bool, address: int, value: int) -> int:
        held = ctypes.c_uint32(value)
        result = self._library.custodes_access(self._handle, write, address, ctypes.byref(held))
        if result > 0:
            raise RefusedError(f"the device refuses to {'write' if write else 'read'} the register at {address:#06x}")
        if result < 0:
            raise DeviceError("the simulated device does not answer")
        return held.value

    def wait(self, seconds: float) -> None:
        self.step_control(round(seconds * CLOCK_HZ))

    def step_control(self, cycles: int) -> None:
        """Let the control run for so many of its cycles."""
        self._library.custodes_step_control(self._handle, cycles)

    def noise(
        self, seed: int = NOISE_SEED, ones: int = NOISE_PARTS // 2, repeats: int = 0, stuck: int | None = None
    ) -> None:
        """Make the noise source another one: ``ones`` and ``repeats`` are the probabilities, in `NOISE_PARTS`, of a 1 and
        of a sample that is the one before; ``stuck`` is the value at which it is stuck."""
        self._library.custodes_noise(self._handle, seed, ones, repeats, -1 if stuck is None else stuck)

    def uart_bit(self, cycles: float) -> None:
        """Cycles of the control in a bit at the host's end of the UART, from the next byte on."""
        self._library.custodes_uart(self._handle, cycles)

    def uart_send(self, data: bytes) -> None:
        """Queue bytes at the host's end of the UART; `step_control` moves them."""
        self._library.custodes_uart_send(self._handle, data, len(data))

    @property
    def uart_unsent(self) -> int:
        """Bytes that are not on the line as a whole yet."""
        return self._library.custodes_uart_unsent(self._handle)

    def uart_receive(self) -> bytes:
        """What has come in at the host's end of the UART since the last time."""
        piece = ctypes.create_string_buffer(UART_PIECE_BYTES)
        received = bytearray()
        while count := self._library.custodes_uart_receive(self._handle, piece, UART_PIECE_BYTES):
            received += piece.raw[:count]
        return bytes(received)

    def close(self) -> None:
        try:
            if self._handle and self._file is not None:
                self._save(self._file)
        finally:
            super().close()

    def _save(self, path: Path) -> None:
        staged = path.with_name(f"{path.name}.{os.getpid()}")
        try:
            staged.write_bytes(self.flash)
            staged.replace(path)
        except OSError as error:
            staged.unlink(missing_ok=True)
            raise DeviceError(f"{path}: cannot write the flash: {error.strerror}") from None


class SimNic(SimControl):
    """The verilated processor with its control; see `SimControl`."""

    def __init__(self, flash: Path | None = None, waveform: Path | None = None, library: Path | None = None) -> None:
        super().__init__("nic", flash, waveform, library)
