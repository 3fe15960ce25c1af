# SPDX-License-Identifier: Apache-2.0
"""A Linux kernel as MACsec peer: User-Mode Linux, an ordinary process, with the test at the other end of its wire."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from custodes.macsec import Suite
from tests.kernel import guest
from tests.kernel.guest import ANSWER, FRAME, HEADER, LINK_MTU, MODULE_ROOT, REQUEST, SECURE, WIRE, WIRE_MTU

KERNEL = "linux.uml"
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
"""Of the guest too, whose files are the host's."""
MEMORY_MIB = 128
"""With 64, two boots of five leave the kernel without AES."""
BOOT_TIMEOUT_S = 60.0
ANSWER_TIMEOUT_S = 30.0
"""More than what the guest itself waits for."""
END_TIMEOUT_S = 5.0
FRAMES_AT_ONCE = 128
"""Between two waits for the guest, so that nothing in it runs full."""
MIN_FRAME_BYTES = 14
MAX_PLAIN_BYTES = WIRE_MTU - 32
MAX_SEALED_BYTES = WIRE_MTU


class KernelError(Exception):
    """The guest did not start, ended, did not answer in time or refused."""


@dataclass(frozen=True)
class Association:
    """A secure association.

    Args:
        an: 0 to 3.
        key: 16 or 32 bytes, as the suite wants.
        pn: next PN to send, or the lowest to take.
        salt: 12 bytes; extended suites only.
        ssci: of the one who sends; extended suites only.
    """

    an: int
    key: bytes
    pn: int = 1
    salt: bytes = b""
    ssci: int = 0


@dataclass(frozen=True)
class Configuration:
    """The kernel's side of a session: SecTAGs with explicit SCI, encrypted, ICV of 16 bytes, validation strict.

    The MAC addresses of frames do not matter to the kernel here: it sends and takes any.

    Args:
        sci: the kernel's, 8 bytes.
        peer_sci: the other's, 8 bytes.
        transmit: what the kernel seals with.
        receive: what it opens with.
        encoding: AN of that of `transmit` in use.
        window: replay window in frames, None for no replay protection.
    """

    suite: Suite
    sci: bytes
    peer_sci: bytes
    transmit: tuple[Association, ...]
    receive: tuple[Association, ...]
    encoding: int = 0
    window: int | None = 0


def missing() -> str | None:
    """What this machine lacks for a `KernelPeer`, None when nothing."""
    for program, package in ((KERNEL, "user-mode-linux"), ("ip", "iproute2"), ("setpriv", "util-linux")):
        if shutil.which(program, path=PATH) is None:
            return f"{program} of Debian's package {package} is not installed"
    version = _run(KERNEL, "--version").stdout.strip()
    for name in guest.MODULES:
        module = MODULE_ROOT / version / "kernel" / f"{name}.ko"
        if not module.exists():
            return f"{module} is not there"
    if "xpn" not in _run("ip", "macsec", "help").stderr:
        return "this version of ip knows no 64-bit packet numbers"
    return None


class KernelPeer:
    """A booted kernel, from entering the context to leaving it, however it is left: then no process and no file remains.

    One serves any number of configurations, one after the other, and is entered once. It is in no network but the
    test's wire, needs no privileges, and has the host's files as its own, mounted read-only.

    Raises:
        KernelError: from every method; what the kernel has printed is in it when it did not start or ended.
    """

    def __init__(self) -> None:
        self._resources = contextlib.ExitStack()
        self._wire_out: deque[bytes] = deque()
        self._link_out: deque[bytes] = deque()
        self._wire_sent = 0
        self._wire_received = 0
        self._sealed: list[bytes] = []
        self._plain: list[bytes] = []
        self._answers: list[dict[str, Any]] = []
        self._peer_sci = ""
        self._extended = False

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as resources:
            directory = Path(resources.enter_context(tempfile.TemporaryDirectory(prefix="custodes-kernel-")))
            self._wire, wire = _pair(resources)
            self._link, link = _pair(resources)
            self._printed = directory / "printed"
            self._process = _start(directory, self._printed, wire.fileno(), link.fileno())
            resources.callback(self._end)
            wire.close()
            link.close()
            self._answer(BOOT_TIMEOUT_S)
            self._resources = resources.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._resources.close()

    def configure(self, configuration: Configuration) -> None:
        """Begins a new session; what was configured and counted before is gone."""
        c = configuration
        self._peer_sci, self._extended = c.peer_sci.hex(), c.suite.extended
        replay = "replay off window 0" if c.window is None else f"replay on window {c.window}"
        commands = [
            f"link add link {WIRE} {SECURE} type macsec sci {c.sci.hex()} cipher {c.suite.title} icvlen 16 encrypt on"
            f" send_sci on validate strict {replay} encodingsa {c.encoding}",
            f"macsec add {SECURE} rx sci {self._peer_sci} on",
            *(self._add("tx", association) for association in c.transmit),
            *(self._add(f"rx sci {self._peer_sci}", association) for association in c.receive),
        ]
        self._catch_up(self._ask("configure", commands="\n".join(commands)))

    def add_transmit(self, association: Association) -> None:
        """One more to seal with; `encode` puts it to use."""
        self._change(self._add("tx", association))

    def add_receive(self, association: Association) -> None:
        """One more to open with, at once."""
        self._change(self._add(f"rx sci {self._peer_sci}", association))

    def encode(self, an: int) -> None:
        """Seals with this association from now on."""
        self._change(f"link set {SECURE} type macsec encodingsa {an}")

    def enable_transmit(self, an: int, enabled: bool = True) -> None:
        self._change(f"macsec set {SECURE} tx sa {an} {_on(enabled)}")

    def enable_receive(self, an: int, enabled: bool = True) -> None:
        self._change(f"macsec set {SECURE} rx sci {self._peer_sci} sa {an} {_on(enabled)}")

    def remove_transmit(self, an: int) -> None:
        self._change(f"macsec del {SECURE} tx sa {an}")

    def remove_receive(self, an: int) -> None:
        """The association must be disabled."""
        self._change(f"macsec del {SECURE} rx sci {self._peer_sci} sa {an}")

    def deliver(self, frames: Sequence[bytes]) -> list[bytes]:
        """Puts frames on the wire.

        Args:
            frames: without FCS, `MIN_FRAME_BYTES` to `MAX_SEALED_BYTES`. The kernel loses plain frames with an 802.1Q tag
                and fewer than 2 bytes after the EtherType behind it; with such a frame this fails.

        Returns:
            The plain frames that the kernel's MACsec device delivered, in order.
        """
        return self._exchange(frames, MAX_SEALED_BYTES, self._put_on_wire, self._plain)

    def transmit(self, frames: Sequence[bytes]) -> list[bytes]:
        """Has the kernel send plain frames out of its MACsec device.

        Args:
            frames: without FCS, `MIN_FRAME_BYTES` to `MAX_PLAIN_BYTES`.

        Returns:
            The frames that came out on the wire, in order.
        """
        return self._exchange(frames, MAX_PLAIN_BYTES, self._put_on_link, self._sealed)

    def counters(self) -> dict[str, int]:
        """The kernel's counters since `configure`, by its own names.

        Those of the entity and of its two channels are plain: ``InPktsOK``, ``OutPktsEncrypted``. Those of an
        association have its direction and AN in front: ``rx0.InPktsOK``, ``tx3.OutPktsEncrypted``; so have the lower 32
        bits of its next PN: ``rx0.pn``, ``tx3.pn``.
        """
        device = self._ask("show")
        (channel,) = device["rx_sc"]
        counters = _numbers(device) | _numbers(channel)
        for direction, associations in (("tx", device["sa_list"]), ("rx", channel["sa_list"])):
            for association in associations:
                name = f"{direction}{association['an']}"
                counters |= {f"{name}.{key}": value for key, value in _numbers(association).items()}
                counters[f"{name}.pn"] = association["pn"] % (1 << 32)
        return counters

    def _add(self, owner: str, association: Association) -> str:
        a = association
        numbers = f"xpn {a.pn} salt {a.salt.hex()} ssci {a.ssci:x}" if self._extended else f"pn {a.pn}"
        return f"macsec add {SECURE} {owner} sa {a.an} {numbers} on key {a.an:032x} {a.key.hex()}"

    def _change(self, command: str) -> None:
        self._ask("change", commands=command)

    def _exchange(
        self, frames: Sequence[bytes], limit: int, put: Callable[[Sequence[bytes]], None], results: list[bytes]
    ) -> list[bytes]:
        if any(not MIN_FRAME_BYTES <= len(frame) <= limit for frame in frames):
            raise ValueError(f"frames have {MIN_FRAME_BYTES} to {limit} bytes")
        results.clear()
        for start in range(0, len(frames), FRAMES_AT_ONCE):
            put(frames[start : start + FRAMES_AT_ONCE])
            sealed, refused = self._ask("settle", wire=self._wire_sent)
            self._catch_up(sealed)
            if refused:
                raise KernelError(refused)
        return results.copy()

    def _catch_up(self, sealed: int) -> None:
        """Receives what is on the wire, all in all so many frames."""
        self._serve(lambda: self._wire_received == sealed, ANSWER_TIMEOUT_S)

    def _put_on_wire(self, frames: Sequence[bytes]) -> None:
        self._wire_out.extend(frames)
        self._wire_sent += len(frames)

    def _put_on_link(self, frames: Sequence[bytes]) -> None:
        self._link_out.extend(HEADER + FRAME + frame for frame in frames)

    def _ask(self, method: str, **arguments: object) -> Any:
        request = json.dumps({"do": method, **arguments}).encode()
        if len(request) > guest.MESSAGE_BYTES:
            raise KernelError(f"a request of {len(request)} bytes")
        self._link_out.append(HEADER + REQUEST + request)
        return self._answer(ANSWER_TIMEOUT_S)

    def _answer(self, timeout_s: float) -> Any:
        self._serve(lambda: bool(self._answers), timeout_s)
        answer = self._answers.pop()
        if "error" in answer:
            raise KernelError(answer["error"])
        return answer["result"]

    def _serve(self, done: Callable[[], bool], timeout_s: float) -> None:
        """Sends what waits and receives what comes, until ``done`` or too late."""
        queues = {self._wire: self._wire_out, self._link: self._link_out}
        end = time.monotonic() + timeout_s
        while not done():
            if time.monotonic() > end:
                raise KernelError(f"no answer within {timeout_s} s; {self._last_words()}")
            if self._ended():
                raise KernelError(f"the guest ended; {self._last_words()}")
            senders = [port for port, queue in queues.items() if queue]
            readable, writable, _ = select.select(list(queues), senders, [], 0.1)
            for port in readable:
                self._take(port)
            for port in writable:
                with contextlib.suppress(BlockingIOError):
                    port.send(queues[port][0])
                    queues[port].popleft()

    def _take(self, port: socket.socket) -> None:
        message = port.recv(LINK_MTU + 100)
        if not message:
            raise KernelError(f"the guest ended; {self._last_words()}")
        if port is self._wire:
            self._wire_received += 1
            self._sealed.append(message)
            return
        kind, body = message[len(HEADER) : len(HEADER) + 1], message[len(HEADER) + 1 :]
        if kind == FRAME:
            self._plain.append(body)
        else:
            assert kind == ANSWER
            self._answers.append(json.loads(body))

    def _last_words(self) -> str:
        return f"it has printed:\n{self._printed.read_text(errors='replace')[-4000:]}"

    def _ended(self) -> bool:
        """Leaves the process to be waited for: until then no other gets its number."""
        return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def _end(self) -> None:
        """The kernel ends its own processes on SIGTERM; if it does not, or they outlive it, all are killed."""
        os.kill(self._process.pid, signal.SIGTERM)
        end = time.monotonic() + END_TIMEOUT_S
        while not self._ended() and time.monotonic() < end:
            time.sleep(0.01)
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(END_TIMEOUT_S)


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=10, env=_environment())


def _environment() -> dict[str, str]:
    return os.environ | {"PATH": PATH}


def _pair(resources: contextlib.ExitStack) -> tuple[socket.socket, socket.socket]:
    """Both ends of a cable. Ours does not block."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    resources.enter_context(ours)
    resources.enter_context(theirs)
    ours.setblocking(False)
    return ours, theirs


def _start(directory: Path, printed: Path, wire: int, link: int) -> subprocess.Popen[bytes]:
    """The kernel, in a process group of its own; it ends when this thread does."""
    command = [
        *("setpriv", "--pdeathsig", "TERM"),
        *(KERNEL, f"mem={MEMORY_MIB}M", f"uml_dir={directory}/", "umid=guest", "quiet", "panic=-1", "noreboot"),
        *("root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", "con=null", "con0=null,fd:1"),
        *(f"vec0:transport=fd,fd={wire},mtu={guest.WIRE_MTU}", f"vec1:transport=fd,fd={link},mtu={LINK_MTU}"),
        *(f"PATH={PATH}", f"init={Path(sys.executable).resolve()}", "--", "-I", "-S", guest.__file__),
    ]
    with printed.open("wb") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=(wire, link),
            env=_environment(),
            start_new_session=True,
        )


def _on(enabled: bool) -> str:
    return "on" if enabled else "off"


def _numbers(entry: dict[str, Any]) -> dict[str, int]:
    return {
        key: value for key, value in entry.items() if key.startswith(("InPkts", "InOctets", "OutPkts", "OutOctets"))
    }
