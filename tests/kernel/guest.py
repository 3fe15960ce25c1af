# SPDX-License-Identifier: Apache-2.0
"""First process of the guest: the host's interpreter under User-Mode Linux, so it imports the standard library only.
`tests.kernel.peer` takes the names below from here.

Of the guest's Ethernet devices, `WIRE` is the kernel's link to its MACsec peer, `SECURE` its MACsec device on top of
that, and `LINK` carries messages between test and guest, one per Ethernet frame: `HEADER`, a kind, a body.

==========  =========  ========================================================================
Kind        Way        Body
==========  =========  ========================================================================
`FRAME`     to guest   a plain frame; it is sent out of `SECURE`
`FRAME`     to test    a plain frame that `SECURE` delivered
`REQUEST`   to guest   JSON object: ``do`` names a method of `Guest`, the rest are its arguments
`ANSWER`    to test    JSON object: ``result`` or ``error``
==========  =========  ========================================================================
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import select
import socket
import struct
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

WIRE, LINK, SECURE = "vec0", "vec1", "macsec0"
HEADER = bytes.fromhex("020000000002 020000000001 88b5")
"""Local addresses and the EtherType for experiments."""
FRAME, REQUEST, ANSWER = b"F", b"Q", b"A"
WIRE_MTU = 2048
LINK_MTU = 9000
MESSAGE_BYTES = LINK_MTU - 100
MODULE_ROOT = Path("/usr/lib/uml/modules")
MODULES = ("crypto/gf128mul", "crypto/ghash-generic", "crypto/ctr", "crypto/gcm", "drivers/net/macsec")
"""In the order of loading: the guest has no modprobe."""
SETTLE_TIMEOUT_S = 20.0
COMMAND_TIMEOUT_S = 10.0

ETH_P_ALL = 3
SOL_PACKET, PACKET_STATISTICS, PACKET_AUXDATA, PACKET_IGNORE_OUTGOING = 263, 6, 8, 23
STATISTICS = struct.Struct("=II")
AUXDATA = struct.Struct("=IIIHHHH")
TP_STATUS_VLAN_VALID, TP_STATUS_VLAN_TPID_VALID = 1 << 4, 1 << 6
SO_RCVBUFFORCE = 33
RECEIVE_BYTES = 8 << 20
SIOCETHTOOL, ETHTOOL_SGRO = 0x8946, 0x2C
FINIT_MODULE = 313
"""All of them from the kernel's headers; the last as on x86-64, the only machine User-Mode Linux runs on."""


class Port:
    """A device's frames as they are: outgoing ones are not heard, and a VLAN tag the kernel took out is back in place.

    Raises:
        OSError: from the socket.
        RuntimeError: when the kernel dropped frames because they were not read in time.
    """

    def __init__(self, device: str) -> None:
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.socket.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        self.socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BYTES)
        self.socket.bind((device, ETH_P_ALL))
        self._heard = 0

    def heard(self) -> int:
        """Frames received since the beginning, those not yet read included."""
        statistics = self.socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, STATISTICS.size)
        received, dropped = STATISTICS.unpack(statistics)
        if dropped:
            raise RuntimeError(f"the guest dropped {dropped} frames")
        self._heard += received
        return self._heard

    def receive(self) -> bytes | None:
        """The next frame, None when there is none now."""
        try:
            frame, control, _, _ = self.socket.recvmsg(LINK_MTU + 100, 256, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None
        for _, _, data in control:
            status, _, _, _, _, tci, tpid = AUXDATA.unpack(data)
            if status & TP_STATUS_VLAN_VALID:
                tpid = tpid if status & TP_STATUS_VLAN_TPID_VALID else 0x8100
                return frame[:12] + struct.pack(">HH", tpid, tci) + frame[12:]
        return frame

    def send(self, frame: bytes) -> None:
        self.socket.send(frame)

    def close(self) -> None:
        self.socket.close()


def ip(*arguments: str, commands: str | None = None) -> str:
    """What `ip` prints.

    Args:
        commands: what `ip -batch -` reads.

    Raises:
        RuntimeError: with its words when it fails.
    """
    done = subprocess.run(["ip", *arguments], input=commands, capture_output=True, text=True, timeout=COMMAND_TIMEOUT_S)
    if done.returncode:
        raise RuntimeError(f"ip {commands or ' '.join(arguments)}: {done.stderr}")
    return done.stdout


def statistic(device: str, name: str) -> int:
    return int(Path("/sys/class/net", device, "statistics", name).read_text())


def keep_frames_apart(device: str) -> None:
    """Has the kernel not join TCP segments of one connection into one frame."""
    value = ctypes.create_string_buffer(struct.pack("=II", ETHTOOL_SGRO, 0))
    request = struct.pack("16sP16x", device.encode(), ctypes.addressof(value))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCETHTOOL, request)


class Guest:
    """Serves the messages on `LINK`; ``requests`` are the methods that a test may call."""

    def __init__(self) -> None:
        for device in (WIRE, LINK):
            ip("link", "set", device, "up")
        self.link = Port(LINK)
        self.secure: Port | None = None
        self.sealed_before = 0
        self.refused = ""
        self.requests: dict[str, Callable[..., object]] = {
            "configure": self.configure,
            "change": self.change,
            "show": self.show,
            "settle": self.settle,
        }

    def configure(self, commands: str) -> int:
        """Replaces `SECURE` by what these commands of `ip -batch` make.

        Returns:
            Frames that the kernel has put on the wire since the beginning.
        """
        if self.secure:
            self.secure.close()
            self.secure = None
        if Path("/sys/class/net", SECURE).exists():
            ip("link", "del", SECURE)
        ip("-batch", "-", commands=commands)
        keep_frames_apart(SECURE)
        self.sealed_before = statistic(WIRE, "tx_packets")
        ip("link", "set", SECURE, "up")
        self.secure = Port(SECURE)
        return self.sealed_before

    def change(self, commands: str) -> None:
        """Runs commands of `ip -batch`."""
        ip("-batch", "-", commands=commands)

    def show(self) -> object:
        """The one device in `ip -json -statistics macsec show`."""
        (device,) = json.loads(ip("-json", "-statistics", "macsec", "show", SECURE))
        return device

    def settle(self, wire: int) -> tuple[int, str]:
        """Waits until all that was sent has gone where it goes, and has been forwarded.

        Args:
            wire: frames that the test has put on the wire since the beginning.

        Returns:
            Frames that the kernel has put on the wire since the beginning; the first one refused of those it was to
            send, or nothing.
        """
        end = time.monotonic() + SETTLE_TIMEOUT_S
        while not all(done == due for done, due in self.progress(wire).values()):
            if time.monotonic() > end:
                raise RuntimeError(f"not settled: {self.progress(wire)}")
            self.forward()
            time.sleep(0.001)
        self.forward()
        refused, self.refused = self.refused, ""
        return statistic(WIRE, "tx_packets"), refused

    def progress(self, wire: int) -> dict[str, tuple[int, int]]:
        """Frames that have come somewhere, and how many must."""
        if self.secure is None:
            raise RuntimeError("not configured")
        self.link.heard()
        return {
            "received": (statistic(WIRE, "rx_packets"), wire),
            "delivered": (self.secure.heard(), statistic(SECURE, "rx_packets")),
            "sealed": (statistic(WIRE, "tx_packets"), self.sealed_before + statistic(SECURE, "tx_packets")),
        }

    def forward(self) -> None:
        """Passes on what `SECURE` has delivered."""
        while self.secure and (frame := self.secure.receive()) is not None:
            self.link.send(HEADER + FRAME + frame)

    def answer(self, **body: object) -> None:
        self.link.send(HEADER + ANSWER + json.dumps(body).encode())

    def obey(self, request: bytes) -> None:
        arguments = json.loads(request)
        try:
            self.answer(result=self.requests[arguments.pop("do")](**arguments))
        except (OSError, RuntimeError, ValueError, subprocess.SubprocessError) as error:
            self.answer(error=f"{type(error).__name__}: {error}")

    def send_secure(self, frame: bytes) -> None:
        """The first refusal is kept for `settle` to tell."""
        try:
            if self.secure:
                self.secure.send(frame)
        except OSError as error:
            self.refused = self.refused or f"a frame of {len(frame)} bytes: {error}"

    def serve(self) -> None:
        """Until the guest is ended from outside."""
        self.answer(result="ready")
        while True:
            ports = [port.socket for port in (self.link, self.secure) if port]
            select.select(ports, [], [])
            self.forward()
            while (message := self.link.receive()) is not None:
                kind, body = message[len(HEADER) : len(HEADER) + 1], message[len(HEADER) + 1 :]
                if kind == FRAME:
                    self.send_secure(body)
                else:
                    self.obey(body)


def prepare() -> None:
    """Mounts what `ip` and this program read, and loads the modules."""
    libc = ctypes.CDLL(None, use_errno=True)

    def check(result: int) -> None:
        if result:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    for kind, where in ((b"proc", b"/proc"), (b"sysfs", b"/sys")):
        check(libc.mount(kind, where, kind, 0, None))
    for name in MODULES:
        with (MODULE_ROOT / os.uname().release / "kernel" / f"{name}.ko").open("rb") as module:
            check(libc.syscall(FINIT_MODULE, module.fileno(), b"", 0))


if __name__ == "__main__":
    prepare()
    Guest().serve()
