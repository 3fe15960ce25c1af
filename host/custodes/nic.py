# SPDX-License-Identifier: Apache-2.0
"""The control of a device behind a `Link`: who it is, the state it is in, and the way to its firmware.

The registers are those of `custodes.control_registers`, the messages those of `custodes.mailbox`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any, TypeVar

from custodes.accessors import ALL_ONES, Registers
from custodes.control_registers import (
    CONTROL_IDENTITY_VALUE,
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
from custodes.maps import CONTROLLED, NIC

PATIENCE_S = 600.0
"""How long the firmware may take: a simulated CPU needs half a minute, and more on a busy machine, where a real one needs
half a second."""
BOOT_PATIENCE_S = 120.0
"""How long it may take to say which state the device is in; a simulated one needs a second."""
ROUSE_S = 10.0
FIRST_WAIT_S, LONGEST_WAIT_S = 0.000_1, 0.02
"""Between two looks at the mailbox."""
WISHES = {
    Request.INFO: "say what it is",
    Request.IDENTIFY: "prove who it is",
    Request.STORE: "store an item",
    Request.COMMIT: "keep an item",
    Request.DIGEST: "say what it keeps",
    Request.LOCK: "lock",
    Request.ORDER: "carry out the order",
    Request.SELFTEST: "test itself",
    Request.LOG: "show its log",
    Request.ERASE: "forget its items",
    Request.ANNOUNCE: "expect the weights",
}
"""What a device is to do."""
MEANINGS = {
    Status.MALFORMED: "it does not understand the request",
    Status.UNKNOWN: "it knows no such request, item or test",
    Status.FORBIDDEN: "not in this lifecycle state",
    Status.UNSIGNED: "too few governors have signed",
    Status.REPLAYED: "the order is for another device or another boot, or was given before",
    Status.ABSENT: "the item is not kept, the channel not provisioned, or the weights are not on its whitelist",
    Status.MISMATCH: "a digest is not that of what is there, or a piece not the next",
    Status.REFUSED: "its datapath refuses",
    Status.ERROR_STATE: "a self-test has failed; it does nothing more until it is reset",
    Status.NO_RANDOM: "its noise source gives no random numbers",
    Status.STORE_FAILED: "its flash does not answer, or does not keep what is written",
    Status.UNSEALED: "the wrapped key does not open",
}
"""What to say of a `Status` that is not `Status.OK`."""

T = TypeVar("T")


class FirmwareError(DeviceError):
    """The firmware did not do what it was asked."""

    def __init__(self, request: Request, status: Status) -> None:
        self.request = request
        self.status = status
        super().__init__(f"the device does not {WISHES[request]}: {MEANINGS[status]}")


class Nic:
    """A device with control that has said who it is: a network card, or a gateway.

    Args:
        patience_s: after this many seconds without an answer the firmware is given up.
        waiting: called again and again while it is waited for, with the request.

    Members:
        registers: all that it has, by name.

    Raises:
        DeviceError: what answers is no such device, or is of another version.
    """

    def __init__(
        self, link: Link, patience_s: float = PATIENCE_S, waiting: Callable[[Request], None] = lambda request: None
    ) -> None:
        self.link = link
        self.registers = Registers(link, NIC)
        self._patience_s = patience_s
        self._waiting = waiting
        identity = self.registers.read("CONTROL_IDENTITY")
        if identity != CONTROL_IDENTITY_VALUE:
            raise DeviceError(
                f"the device has no control: it reads {identity:#010x} where {CONTROL_IDENTITY_VALUE:#010x} should be"
            )
        digest = self.map_digest
        known = next((known for known in CONTROLLED if known.digest == digest), None)
        if known is None:
            ours = " or ".join(known.digest.hex()[:16] for known in CONTROLLED)
            raise DeviceError(
                f"the device has another register map than this host: {digest.hex()[:16]}, not {ours};"
                " use the host that belongs to its build"
            )
        self.registers = Registers(link, known)

    @property
    def map_digest(self) -> bytes:
        """SHA-256 of the register map of the device."""
        return self.registers.octets("MAP_DIGEST")

    @cached_property
    def build_id(self) -> bytes:
        """SHA-256 of the design: read once, so that what is looked at is what the device must prove."""
        return self.registers.octets("BUILD_ID")

    @cached_property
    def rom_digest(self) -> bytes:
        """SHA-256 of the firmware, likewise."""
        return self.registers.octets("ROM_DIGEST")

    @property
    def clock_hz(self) -> int:
        """Frequency of the control clock."""
        return self.registers.read("CLOCK_HZ")

    @property
    def lifecycle(self) -> Lifecycle:
        """The state it is in."""
        return self.registers.field("LIFECYCLE", "STATE", Lifecycle)

    @property
    def alarms(self) -> tuple[Alarm, ...]:
        """What has gone wrong since the reset."""
        value = self.registers.read("ALARMS")
        return tuple(alarm for alarm in Alarm if value >> alarm & 1)

    @property
    def noise(self) -> Noise:
        """State of the TRNG."""
        return self.registers.field("NOISE_STATUS", "STATE", Noise)

    @property
    def noise_failures(self) -> tuple[int, int]:
        """How often the repetition count test and the adaptive proportion test have failed."""
        failures = self.registers.fields("NOISE_FAILURES")
        return failures["REPETITION"], failures["PROPORTION"]

    @property
    def mailbox(self) -> Mailbox:
        """Whose turn it is."""
        return self.registers.field("MAILBOX_STATUS", "STATE", Mailbox)

    def zeroise(self) -> None:
        """Make the device zeroise everything, as its tamper input does: nothing passes until it is reset."""
        self.registers.write("ZEROISE", ZEROISE_VALUE)

    def booted(self) -> Lifecycle:
        """The lifecycle, once the firmware has said which it is."""
        patience = min(self._patience_s, BOOT_PATIENCE_S)
        return self._until(Request.INFO, self._known, patience, "does not start: the device stays in its boot")

    def rouse(self) -> None:
        """Let it boot, where it does so soon: a device that does not can be looked at, too."""
        with suppress(DeviceError):
            self._until(Request.INFO, self._known, ROUSE_S)

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
        self._until(request, lambda: self.mailbox is not Mailbox.BUSY or None)
        words = [int.from_bytes(message[at : at + 4].ljust(4, b"\0"), "little") for at in range(0, len(message), 4)]
        self.registers.write_words("REQUEST", words)
        self.registers.write_fields("MAILBOX_SEND", {"LENGTH": len(message)})
        return self._results(request, self._until(request, self._reply))

    def _reply(self) -> bytes | None:
        status = self.registers.fields("MAILBOX_STATUS")
        state, length = status["STATE"], status["LENGTH"]
        if state is Mailbox.BUSY:
            return None
        if state is Mailbox.IDLE:
            raise DeviceError("the device has forgotten what it was asked: it was reset")
        if length > MAILBOX_BYTES:
            raise DeviceError(f"the device's firmware answers with {length} bytes, more than the mailbox has")
        words = -(-length // 4)
        return b"".join(word.to_bytes(4, "little") for word in self.registers.words("REPLY", words))[:length]

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

    def _until(
        self, request: Request, look: Callable[[], T | None], patience_s: float | None = None, failing: str = ""
    ) -> T:
        """What ``look`` gives that is not none, looked for less and less often. ``failing``: what to say of a firmware that
        has used up the patience."""
        patience_s = self._patience_s if patience_s is None else patience_s
        deadline = time.monotonic() + patience_s
        pause = FIRST_WAIT_S
        while (found := look()) is None:
            self._fail_if_stopped()
            if time.monotonic() > deadline:
                failing = failing or f"does not answer to {request.name.lower()}"
                raise DeviceError(f"the device's firmware {failing} ({patience_s:g} s)")
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
