# SPDX-License-Identifier: Apache-2.0
"""Network interfaces of Linux: frames as they are on the cable (packet(7)), and what is wrong where there are none."""

from __future__ import annotations

import errno
import socket
import struct
from typing import Self

from custodes.errors import InterfaceError, UsageError
from custodes.port_settings import PortSettings
from custodes.rtnetlink import link_state
from custodes.segments import HEADER, Offload, Uncuttable, on_the_wire

ALL_PROTOCOLS = 0x0003
ETHERNET = 1
"""ARPHRD_ETHER of linux/if_arp.h."""
SOL_PACKET = 263
ADD_MEMBERSHIP, STATISTICS, AUXDATA, VNET_HDR, IGNORE_OUTGOING = 1, 6, 8, 15, 23
PROMISCUOUS = 1
AUXILIARY = struct.Struct("=IIIHHHH")
VLAN_VALID, VLAN_TPID_VALID = 1 << 4, 1 << 6
LARGEST_BYTES = 1 << 17
"""More than what segments are merged into, but for jumbograms."""
ROOM_BYTES = 1 << 16
"""Of frames that wait for the device, as `custodes live` has it: what is more would only make them
late, and a simulated device is slow. A frame that is merged from segments is let in as long as there is any room."""
NO_OFFLOAD = bytes(HEADER.size)
GONE = (errno.ENETDOWN, errno.ENODEV, errno.ENXIO)


class Interface:
    """An Ethernet interface, promiscuous, for every frame that arrives at it. Frames that this machine sends are not among
    them. A context manager that puts back what it has changed.

    What is merged from segments is cut into them again, and checksums that were left to hardware are completed: `cut` and
    `completed` count.

    Args:
        name: of the interface.
        room_bytes: of the kernel's queue of frames that have arrived, which takes the double of it.

    Raises:
        UsageError: there is no such interface, or it cannot be a port of a warden.
        InterfaceError: it may not be opened, or is down; from `receive` and `send` also: it has gone down.
    """

    def __init__(self, name: str, room_bytes: int = ROOM_BYTES) -> None:
        self.name = name
        self._room_bytes = room_bytes
        self.cut = 0
        """Frames that were merged from segments."""
        self.completed = 0
        """Frames whose checksum was left to hardware."""
        self.refused = 0
        """Frames that could not be received as they are, or not be sent."""
        self._lost = 0
        if name not in interfaces():
            raise UsageError(f"{name}: no such interface; there {_are(interfaces())}")
        try:
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
        except PermissionError:
            raise InterfaceError(f"{name}: only root, or who has CAP_NET_RAW, may bridge interfaces") from None
        self._settings = PortSettings(name, self._socket.fileno())
        try:
            self._open()
        except OSError as error:
            self.close()
            raise InterfaceError(f"{name}: {error.strerror}") from None
        except BaseException:
            self.close()
            raise
        self._buffer = bytearray(LARGEST_BYTES)

    def _open(self) -> None:
        name = self.name
        state = link_state(name)
        if state.hardware != ETHERNET:
            raise UsageError(f"{name}: is not an Ethernet interface")
        if state.enslaved:
            raise UsageError(f"{name}: belongs to a bridge or bond, which forwards past the device; take it out first")
        if not state.up:
            raise InterfaceError(f"{name}: is down; bring it up with `ip link set {name} up`")
        self._settings.prepare()
        for option in (VNET_HDR, AUXDATA, IGNORE_OUTGOING):
            self._socket.setsockopt(SOL_PACKET, option, 1)
        self._socket.setsockopt(SOL_PACKET, ADD_MEMBERSHIP, _membership(name))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._room_bytes)
        self._socket.bind((name, ALL_PROTOCOLS))

    def fileno(self) -> int:
        return self._socket.fileno()

    def receive(self) -> list[bytes]:
        """The frames of what has arrived next, as on the cable, without FCS; none where nothing waits."""
        while True:
            try:
                length, auxiliary, flags, _ = self._socket.recvmsg_into(
                    [self._buffer], socket.CMSG_SPACE(AUXILIARY.size)
                )
            except BlockingIOError:
                return []
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise self._failure(error) from None
                self.refused += 1  # merged in a way that the header cannot say
                continue
            if flags & socket.MSG_TRUNC:
                self.refused += 1
                continue
            try:
                return self._arrived(bytes(self._buffer[:length]), auxiliary)
            except Uncuttable:
                self.refused += 1

    def _arrived(self, data: bytes, auxiliary: list[tuple[int, int, bytes]]) -> list[bytes]:
        offload, frame = Offload.parse(data[: HEADER.size]), data[HEADER.size :]
        for level, kind, value in auxiliary:
            if (level, kind) == (SOL_PACKET, AUXDATA):
                status, _, _, _, _, tci, tpid = AUXILIARY.unpack(value)
                if status & VLAN_VALID:  # the tag has been taken out on the way up
                    tag = (tpid if status & VLAN_TPID_VALID else 0x8100).to_bytes(2) + tci.to_bytes(2)
                    frame = frame[:12] + tag + frame[12:]
                    offload = offload.moved(len(tag))
        if offload.none:
            return [frame]
        found = on_the_wire(frame, offload)
        if len(found) > 1:
            self.cut += 1
        else:
            self.completed += 1
        return found

    def send(self, frame: bytes) -> bool:
        """Whether the frame has been sent; not where it is too long for the interface, or its queue is full."""
        try:
            self._socket.send(NO_OFFLOAD + frame)
        except OSError as error:
            if error.errno not in (errno.EMSGSIZE, errno.EAGAIN, errno.ENOBUFS):
                raise self._failure(error) from None
            self.refused += 1
            return False
        return True

    @property
    def notes(self) -> list[str]:
        """What a user should know of it, a line each."""
        return self._settings.notes

    @property
    def lost(self) -> int:
        """Frames for which the kernel's queue had no room since the interface was opened."""
        _, lost = struct.unpack("=II", self._socket.getsockopt(SOL_PACKET, STATISTICS, 8))
        self._lost += lost
        return self._lost

    def _failure(self, error: OSError) -> InterfaceError:
        if self.name not in interfaces():
            return InterfaceError(f"{self.name}: the interface is gone")
        if error.errno in GONE:
            return InterfaceError(f"{self.name}: the interface has gone down")
        return InterfaceError(f"{self.name}: {error.strerror}")

    def close(self) -> None:
        """Let go of the interface, and put back what has been changed of it."""
        self._settings.restore()
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _membership(name: str) -> bytes:
    """A `struct packet_mreq` that makes an interface promiscuous."""
    return struct.pack("=iHH8x", socket.if_nametoindex(name), PROMISCUOUS, 0)


def interfaces() -> list[str]:
    """The names of what there is."""
    return [name for _, name in socket.if_nameindex()]


def _are(names: list[str]) -> str:
    found = [name for name in names if name != "lo"]
    return f"{'is' if len(found) == 1 else 'are'} {', '.join(found)}" if found else "is none but lo"
