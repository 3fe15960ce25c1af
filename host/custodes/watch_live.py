# SPDX-License-Identifier: Apache-2.0
"""Taps at network interfaces: what passes two of them into the captures of an epoch (packet(7)).

The interfaces are those of the machine on which the warden runs. What arrives there has been sent by the stations, and what
leaves there is what the warden lets out to them; so is whatever that machine sends on its own, which is a mismatch.
"""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple, Self

from custodes.capture import CaptureWriter, Format
from custodes.errors import CaptureError, InterfaceError, UsageError
from custodes.interface import (
    ADD_MEMBERSHIP,
    ALL_PROTOCOLS,
    AUXDATA,
    AUXILIARY,
    LARGEST_BYTES,
    PROMISCUOUS,
    SOL_PACKET,
    STATISTICS,
    VLAN_TPID_VALID,
    VLAN_VALID,
    VNET_HDR,
    interfaces,
)
from custodes.output import output_file
from custodes.segments import HEADER, Offload, Uncuttable, on_the_wire
from custodes.table import Port
from custodes.watch import Seen

TIMESTAMP_NS = 35
"""SO_TIMESTAMPNS of asm-generic/socket.h, and the type of what it adds."""
TIMESPEC = struct.Struct("=qq")
OUTGOING = 4
"""PACKET_OUTGOING of linux/if_packet.h."""
ROOM_BYTES = 1 << 24
POLL_S = 0.05
SETTLE_S = 0.2
"""After the end: for what has been sent just before to leave."""


class Passed(NamedTuple):
    """A frame at an interface; ``leaves``: this machine has sent it."""

    seen: Seen
    leaves: bool


class InterfaceTap:
    """Every frame that arrives or leaves at an interface, with the kernel's time. It changes nothing but promiscuity.

    What is merged from segments is cut into them again, and checksums that are left to hardware are completed, as on the
    cable.

    Raises:
        UsageError: there is no such interface.
        InterfaceError: it may not be opened, or it has gone.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        if name not in interfaces():
            raise UsageError(f"{name}: no such interface")
        try:
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
        except PermissionError:
            raise InterfaceError(f"{name}: only root, or who has CAP_NET_RAW, may tap interfaces") from None
        try:
            for option in (VNET_HDR, AUXDATA):
                self._socket.setsockopt(SOL_PACKET, option, 1)
            membership = struct.pack("=iHH8x", socket.if_nametoindex(name), PROMISCUOUS, 0)
            self._socket.setsockopt(SOL_PACKET, ADD_MEMBERSHIP, membership)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ROOM_BYTES)
            self._socket.setsockopt(socket.SOL_SOCKET, TIMESTAMP_NS, 1)
            self._socket.bind((name, ALL_PROTOCOLS))
        except OSError as error:
            self._socket.close()
            raise InterfaceError(f"{name}: {error.strerror}") from None
        self._buffer = bytearray(LARGEST_BYTES)
        self._room = socket.CMSG_SPACE(AUXILIARY.size) + socket.CMSG_SPACE(TIMESPEC.size)

    def fileno(self) -> int:
        return self._socket.fileno()

    def receive(self) -> list[Passed]:
        """What has passed next; nothing where nothing waits."""
        try:
            length, ancillary, _, address = self._socket.recvmsg_into([self._buffer], self._room)
        except BlockingIOError:
            return []
        except OSError as error:
            raise InterfaceError(f"{self.name}: {error.strerror}") from None
        time_ns, frame = 0, bytes(self._buffer[HEADER.size : length])
        offload = Offload.parse(bytes(self._buffer[: HEADER.size]))
        for level, kind, value in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, TIMESTAMP_NS):
                seconds, nanoseconds = TIMESPEC.unpack(value)
                time_ns = seconds * 1_000_000_000 + nanoseconds
            elif (level, kind) == (SOL_PACKET, AUXDATA):
                status, _, _, _, _, tci, tpid = AUXILIARY.unpack(value)
                if status & VLAN_VALID:
                    tag = (tpid if status & VLAN_TPID_VALID else 0x8100).to_bytes(2) + tci.to_bytes(2)
                    frame, offload = frame[:12] + tag + frame[12:], offload.moved(len(tag))
        try:
            frames = [frame] if offload.none else on_the_wire(frame, offload)
        except Uncuttable:
            raise InterfaceError(
                f"{self.name}: merges segments in a way that cannot be undone; turn its offloads off"
            ) from None
        return [Passed(Seen(time_ns, one), address[2] == OUTGOING) for one in frames]

    @property
    def lost(self) -> int:
        """Frames for which there was no room since it was last asked."""
        _, lost = struct.unpack("=II", self._socket.getsockopt(SOL_PACKET, STATISTICS, 8))
        return lost

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()


def record(taps: dict[Port, InterfaceTap], folder: Path, ended: Callable[[], bool]) -> dict[str, int]:
    """Write what passes into the captures of an epoch, until ``ended`` says so. Returns how many frames are in each.

    Raises:
        CaptureError: they cannot be written.
        InterfaceError: frames were lost, and nothing can be said of such an epoch.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CaptureError(f"{folder}: cannot be created: {error.strerror}") from None
    counts: dict[str, int] = {}
    with ExitStack() as files:
        writers = {
            (port, leaves): (
                name,
                CaptureWriter(files.enter_context(output_file(folder / f"{name}.pcap")), Format.PCAP),
            )
            for port in Port
            for leaves in (False, True)
            if (name := f"{port.name.lower()}-{'received' if leaves else 'sent'}")
        }
        counts = {name: 0 for name, _ in writers.values()}
        poller = select.poll()
        for tap in taps.values():
            poller.register(tap, select.POLLIN)
        last = False
        while not last:
            last = ended()
            if last:
                time.sleep(SETTLE_S)
            else:
                poller.poll(POLL_S * 1000)
            for port, tap in taps.items():
                while passed := tap.receive():
                    for seen, leaves in passed:
                        name, writer = writers[port, leaves]
                        writer.write(seen.time_ns, seen.frame)
                        counts[name] += 1
        lost = sum(tap.lost for tap in taps.values())
        if lost:
            raise InterfaceError(f"the taps have lost {lost} frames; nothing can be said of this epoch")
    return counts
