# SPDX-License-Identifier: Apache-2.0
"""An 802.1Q port in user space: a TAP interface whose frames travel tagged over another interface.

Same job as `ip link add link PORT type vlan`, for kernels without the 8021q module. Run by `world.py` inside a network
namespace: `vlan.py PORT TAGGED_PORT VID PRIORITY`. Frames of the TAP interface leave through PORT with a tag; frames
that arrive at PORT with the tag's VID come out of the TAP interface without it. All other frames are left alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import socket
import struct
import sys

SOL_PACKET = 263
PACKET_AUXDATA = 8
PACKET_OUTGOING = 4
ETH_P_ALL = 3
TP_STATUS_VLAN_VALID = 1 << 4
AUXDATA = struct.Struct("IIIHHHH")
"""struct tpacket_auxdata: the kernel takes the tag out of the frame and reports it here."""
TUNSETIFF = 0x400454CA
IFF_TAP_WITHOUT_HEADER = 0x0002 | 0x1000
FRAME_BYTES = 65536


def main() -> None:
    port, tagged_port, vid, priority = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    tag = struct.pack("!HH", 0x8100, priority << 13 | vid)
    tap = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", tagged_port.encode(), IFF_TAP_WITHOUT_HEADER))
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    wire.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    wire.bind((port, ETH_P_ALL))
    print("ready", flush=True)
    while True:
        ready, _, _ = select.select([tap, wire], [], [])
        if tap in ready:
            frame = os.read(tap, FRAME_BYTES)
            with contextlib.suppress(OSError):  # a port that is down loses the frame
                wire.send(frame[:12] + tag + frame[12:])
        if wire in ready:
            frame, extra, _, address = wire.recvmsg(FRAME_BYTES, socket.CMSG_SPACE(AUXDATA.size))
            if address[2] != PACKET_OUTGOING and _vid(extra) == vid:
                with contextlib.suppress(OSError):
                    os.write(tap, frame)


def _vid(extra: list[tuple[int, int, bytes]]) -> int | None:
    for level, kind, data in extra:
        if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
            status, _, _, _, _, tci, _ = AUXDATA.unpack(data[: AUXDATA.size])
            if status & TP_STATUS_VLAN_VALID:
                return tci & 0xFFF
    return None


if __name__ == "__main__":
    main()
