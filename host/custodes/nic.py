# SPDX-License-Identifier: Apache-2.0
"""The control of a device behind a `Link`: who it is, the state it is in, and the way to its firmware.

The registers are those of `custodes.control_registers`, the messages those of `custodes.mailbox`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from custodes.control_registers import (
    CONTROL_IDENTITY_VALUE,
    DIGEST_WORDS,
    MAILBOX_BYTES,
    ZEROISE_VALUE,
    Mailbox,
    Noise,
)
from custodes.deterministic import decode, encode
from custodes.errors import DeviceError, RefusedError
from custodes.lifecycle import Alarm, Lifecycle
from custodes.link import Link
from custodes.mailbox import Request, Status
from custodes.maps import NIC

PATIENCE_S = 300.0
"""How long the firmware may take: a simulated CPU needs half a minute where a real one needs half a second."""
FIRST_WAIT_S, LONGEST_WAIT_S = 0.000_1, 0.02
"""Between two looks at the mailbox."""
ALL_ONES = 0xFFFF_FFFF
MEANINGS = {
    Status.MALFORMED: "it does not understand the request",
    Status.UNKNOWN: "it knows no such request, item or test",
    Status.FORBIDDEN: "not in this lifecycle state",
    Status.UNSIGNED: "too few governors have signed",
    Status.REPLAYED: "the order is for another device or another boot, or was given before",
    Status.ABSENT: "nothing is kept there",
    Status.MISMATCH: "a digest is not that of what the device has",
    Status.REFUSED: "its datapath refuses",
    Status.ERROR_STATE: "a self-test has failed; it does nothing more until it is reset",
    Status.NO_RANDOM: "its noise source gives no random numbers",
    Status.STORE_FAILED: "its flash does not answer, or does not keep what is written",
    Status.UNSEALED: "the wrapped key does not open",
}
"""What to say of a `Status` that is not `Status.OK`."""


class FirmwareError(DeviceError):
    """The firmware did not do what it was asked."""

    def __init__(self, request: Request, status: Status) -> None:
        self.request = request
        self.status = status
        what = request.name.lower()
        super().__init__(f"the device does not {what}: {MEANINGS[status]}")


class Nic:
    """A device with control that has said who it is.

    Args:
        patience_s: after this many seconds without an answer the firmware is given up.
        waiting: called again and again while it is waited for, with the request.

    Raises:
        DeviceError: what answers is no such device, or is of another version.
    """

    def __init__(
        self, link: Link, patience_s: float = PATIENCE_S, waiting: Callable[[Request], None] = lambda request: None
    ) -> None:
        self.link = link
        self._patience_s = patience_s
        self._waiting = waiting
        identity = self.read("CONTROL_IDENTITY")
        if identity == ALL_ONES:
            raise DeviceError("the device reads all ones: it is not powered, not configured or not connected")
        if identity != CONTROL_IDENTITY_VALUE:
            raise DeviceError(
                f"the device has no control: it reads {identity:#010x} where {CONTROL_IDENTITY_VALUE:#010x} should be"
            )
        if self.map_digest != NIC.digest:
            raise DeviceError(
                f"the device has another register map than this host: {self.map_digest.hex()[:16]}, not "
                f"{NIC.digest.hex()[:16]}; use the host that belongs to its build"
            )

    def read(self, name: str, index: int = 0) -> int:
        """A register by its name in the map."""
        return self.link.read(NIC.address(name, index))

    def write(self, name: str, value: int, index: int = 0) -> None:
        """Write a register by its name in the map."""
        self.link.write(NIC.address(name, index), value)

    def _digest(self, name: str) -> bytes:
        return b"".join(self.read(name, word).to_bytes(4, "little") for word in range(DIGEST_WORDS))

    @property
    def map_digest(self) -> bytes:
        """SHA-256 of the register map of the device."""
        return self._digest("MAP_DIGEST")

    @property
    def build_id(self) -> bytes:
        """SHA-256 of the design."""
        return self._digest("BUILD_ID")

    @property
    def rom_digest(self) -> bytes:
        """SHA-256 of the firmware."""
        return self._digest("ROM_DIGEST")

    @property
    def clock_hz(self) -> int:
        """Frequency of the control clock."""
        return self.read("CLOCK_HZ")

    @property
    def lifecycle(self) -> Lifecycle:
        """The state it is in."""
        value = self.read("LIFECYCLE")
        try:
            return Lifecycle(value)
        except ValueError:
            raise DeviceError(f"the device is in a lifecycle state that does not exist: {value:#x}") from None

    @property
    def alarms(self) -> tuple[Alarm, ...]:
        """What has gone wrong since the reset."""
        value = self.read("ALARMS")
        return tuple(alarm for alarm in Alarm if value >> alarm & 1)

    @property
    def noise(self) -> tuple[Noise, int, int]:
        """State of the TRNG, and how often its repetition count and adaptive proportion tests have failed."""
        value = NIC["NOISE_STATUS"].field("STATE").of(self.read("NOISE_STATUS"))
        failures = self.read("NOISE_FAILURES")
        register = NIC["NOISE_FAILURES"]
        try:
            state = Noise(value)
        except ValueError:
            raise DeviceError(f"the device's TRNG is in a state that does not exist: {value}") from None
        return state, register.field("REPETITION").of(failures), register.field("PROPORTION").of(failures)

    @property
    def mailbox(self) -> tuple[Mailbox, int]:
        """Whose turn it is, and the bytes of the reply."""
        status, register = self.read("MAILBOX_STATUS"), NIC["MAILBOX_STATUS"]
        value = register.field("STATE").of(status)
        try:
            return Mailbox(value), register.field("LENGTH").of(status)
        except ValueError:
            raise DeviceError(f"the device's mailbox is in a state that does not exist: {value}") from None

    def zeroise(self) -> None:
        """Make the device zeroise everything, as its tamper input does: nothing passes until it is reset."""
        self.write("ZEROISE", ZEROISE_VALUE)

    def booted(self) -> Lifecycle:
        """The lifecycle, once the firmware has said which it is."""
        return self._until(Request.INFO, self._known)

    def _known(self) -> Lifecycle | None:
        state = self.lifecycle
        return None if state is Lifecycle.BOOT else state

    def request(self, request: Request, *arguments: Any) -> list[Any]:
        """Ask the firmware, and wait for its results. What an interrupted host asked before is waited for, and dropped.

        Raises:
            FirmwareError: it refuses, and says why.
            DeviceError: it does not answer, or answers nonsense.
            ValueError: the request is too long.
        """
        message = encode([request, *arguments])
        if len(message) > MAILBOX_BYTES:
            raise ValueError(f"a request of {len(message)} bytes; the mailbox takes {MAILBOX_BYTES}")
        self._until(request, lambda: self.mailbox[0] is not Mailbox.BUSY or None)
        for at in range(0, len(message), 4):
            word = int.from_bytes(message[at : at + 4].ljust(4, b"\0"), "little")
            self.write("REQUEST", word, at // 4)
        self.write("MAILBOX_SEND", len(message))
        return self._results(request, self._until(request, self._reply))

    def _reply(self) -> bytes | None:
        state, length = self.mailbox
        if state is Mailbox.BUSY:
            return None
        if state is Mailbox.IDLE:
            raise DeviceError("the device has forgotten what it was asked: it was reset")
        if length > MAILBOX_BYTES:
            raise DeviceError(f"the device's firmware answers with {length} bytes, more than the mailbox has")
        words = -(-length // 4)
        return b"".join(self.read("REPLY", word).to_bytes(4, "little") for word in range(words))[:length]

    def _results(self, request: Request, reply: bytes) -> list[Any]:
        try:
            answer = decode(reply)
            if not isinstance(answer, list) or not answer or type(answer[0]) is not int:
                raise ValueError("is no reply")
            status = Status(answer[0])
            if status is not Status.OK and len(answer) > 1:
                raise ValueError("says more than its status")
        except ValueError as error:
            raise DeviceError(f"the device's firmware answers nonsense to {request.name.lower()}: {error}") from None
        if status is not Status.OK:
            raise FirmwareError(request, status)
        return answer[1:]

    def _until(self, request: Request, look: Callable[[], Any]) -> Any:
        """What ``look`` gives that is not none, looked for less and less often."""
        deadline = time.monotonic() + self._patience_s
        pause = FIRST_WAIT_S
        while (found := look()) is None:
            self._fail_if_stopped()
            if time.monotonic() > deadline:
                raise DeviceError(
                    f"the device's firmware does not answer to {request.name.lower()} in {self._patience_s:g} s"
                )
            self._waiting(request)
            self.link.wait(pause)
            pause = min(2 * pause, LONGEST_WAIT_S)
        return found

    def _fail_if_stopped(self) -> None:
        """Raise `DeviceError` where firmware is not running any more."""
        if self.lifecycle is Lifecycle.TAMPERED:
            raise DeviceError(tampered(self.alarms))


def tampered(alarms: Sequence[Alarm]) -> str:
    """What to say of a device that has zeroised everything."""
    why = ", ".join(alarm.title for alarm in alarms) or "no alarm says why"
    return f"the device has zeroised everything and does nothing until it is reset: {why}"


def is_nic(link: Link) -> bool:
    """Whether the device behind a link has control."""
    try:
        return link.read(NIC.address("CONTROL_IDENTITY")) in (CONTROL_IDENTITY_VALUE, ALL_ONES)
    except RefusedError:
        return False
