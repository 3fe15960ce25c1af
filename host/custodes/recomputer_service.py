# SPDX-License-Identifier: Apache-2.0
"""Where a recomputer gets its frames: from a network interface, on and on, or from a capture. Sealed ones are opened."""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Callable
from hashlib import file_digest
from pathlib import Path

from custodes.capture import Capture
from custodes.errors import CaptureError, InterfaceError
from custodes.interface import Interface
from custodes.keys import Keys
from custodes.model.session import Opener
from custodes.recomputer import Recomputer
from custodes.recomputer_store import Store
from custodes.samples import is_sample

POLL_S = 0.1
ROOM_BYTES = 1 << 24
AT_ONCE = 64
"""Frames of a capture that are written down together."""
Ended = Callable[[], bool]


class Port:
    """What arrives at the recomputer, opened where there are keys: then nothing else counts.

    Attributes:
        unopened: frames that were not sealed by who has the keys.
        strays: frames that were no samples.
    """

    def __init__(self, keys: Keys | None = None) -> None:
        self._opener = None if keys is None else Opener.of(keys)
        self.unopened = self.strays = 0

    def take(self, frames: list[bytes]) -> list[bytes]:
        """The samples among frames."""
        found = []
        for frame in frames:
            opened = frame if self._opener is None else self._opener.open(frame).frame
            self.unopened += opened is None
            if opened is not None:
                self.strays += not is_sample(opened)
                found.append(opened)
        return [frame for frame in found if is_sample(frame)]


def work_off_capture(recomputer: Recomputer, path: Path, port: Port, ended: Ended) -> int:
    """Take the frames of a capture, from where it was left; returns how many there were.

    A capture is known by its content: what has been read of the same is not read again.
    """
    try:
        with path.open("rb") as file:
            name = file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError) as error:
        raise CaptureError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    begin = recomputer.store.position(name)
    recomputer.work()
    waiting: list[bytes] = []
    count = 0

    def feed() -> None:
        recomputer.feed(port.take(waiting), name, count)
        waiting.clear()

    for count, packet in enumerate(Capture(path), 1):
        if count <= begin:
            continue
        waiting.append(packet.frame)
        if len(waiting) == AT_ONCE:
            feed()
            if ended():
                return count - begin
    if waiting:
        feed()
    return count - begin


def work_off_interface(
    recomputer: Recomputer,
    name: str,
    port: Port,
    ended: Ended,
    note: Callable[[str], None],
    silence_s: float | None = None,
) -> int:
    """Take what arrives at an interface until it is ended; returns how many frames that were.

    Args:
        silence_s: where no sample comes for longer, that is found, and found again once some have come and none does again.

    One thread writes down what arrives, so that it is not lost while another recomputes. What has not been worked off at
    the end is, when a recomputer works on the same store again.
    """
    count = 0
    with Interface(name, ROOM_BYTES) as interface, Store(recomputer.store.path) as inbox:
        for line in interface.notes:
            note(line)
        note(f"listening at {name}; Ctrl-C ends")
        worker = _Worker(recomputer, silence_s)
        worker.start()
        try:
            while not ended() and worker.failure is None:
                select.select([interface], [], [], POLL_S)
                frames = interface.receive()
                count += len(frames)
                samples = port.take(frames)
                if samples:
                    inbox.receive(samples)
                    worker.heard()
        finally:
            worker.stop()
        if worker.failure is not None:
            raise worker.failure
        if interface.lost:
            raise InterfaceError(f"{name}: {interface.lost} frames came too fast, and are lost")
    return count


class _Worker(threading.Thread):
    """Works off what is written down until it is stopped, and says where nothing comes for longer than ``silence_s``."""

    def __init__(self, recomputer: Recomputer, silence_s: float | None) -> None:
        super().__init__(daemon=True)
        self.failure: Exception | None = None
        self._recomputer, self._silence_s = recomputer, silence_s
        self._waiting = threading.Event()
        self._last = time.monotonic()
        self._stopped = False

    def heard(self) -> None:
        """There is more to work off."""
        self._last = time.monotonic()
        self._waiting.set()

    def run(self) -> None:
        said = None
        try:
            while not self._stopped:
                self._waiting.clear()
                while self._recomputer.work(1) and not self._stopped:
                    pass
                last = self._last
                if self._silence_s is not None and last != said and time.monotonic() - last > self._silence_s:
                    self._recomputer.silent(self._silence_s)
                    said = last
                self._waiting.wait(POLL_S)
        except Exception as error:  # it is raised where the thread was started
            self.failure = error

    def stop(self) -> None:
        self._stopped = True
        self._waiting.set()
        self.join()
