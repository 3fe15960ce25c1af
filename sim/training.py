# SPDX-License-Identifier: Apache-2.0
"""Runs the recording model of a warden on typical frames, and reads what it recorded."""

from __future__ import annotations

import ctypes
import os
import random
import struct
from pathlib import Path

from custodes.policy import Policy
from custodes.registers import policy_writes
from custodes.table import Port, Reason
from sim.activity import Run
from sim.netlist import Netlist

CYCLES = {1: 4096, 8: 4096, 64: 1024}
"""How long a run is recorded, for each lane count: half with frames in one direction, half with frames in both."""
SIZES = (60, 200, 512)
MACS = {Port.CLUSTER: bytes.fromhex("020000000001"), Port.WORLD: bytes.fromhex("020000000002")}
ADDRESSES = {Port.CLUSTER: bytes((10, 0, 0, 1)), Port.WORLD: bytes((10, 0, 0, 2))}


def policy() -> Policy:
    stations = {port: [{"mac": MACS[port].hex(":"), "ip": [".".join(map(str, ADDRESSES[port]))]}] for port in Port}
    return Policy.model_validate(
        {"cluster": stations[Port.CLUSTER], "world": stations[Port.WORLD], "vlans": ["untagged"]}
    )


def frame(port: Port, size: int, tcp: bool, r: random.Random) -> bytes:
    """A frame of ``size`` bytes that a warden with `policy` forwards; what can differ between frames does."""
    source, destination = ADDRESSES[port], ADDRESSES[port.other]
    length = size - 34
    ports = r.randbytes(4)
    header = ports + r.randbytes(8) + struct.pack("!BBHHH", 0x50, r.choice((0x10, 0x18)), r.randrange(1 << 16), 0, 0)
    if not tcp:
        header = ports + struct.pack("!HH", length, 0)
    segment = header + r.randbytes(length - len(header))
    protocol, at = (6, 16) if tcp else (17, 6)
    checksum = _checksum(source + destination + struct.pack("!HH", protocol, length) + segment)
    segment = segment[:at] + checksum + segment[at + 2 :]
    tos, identification, ttl = r.randrange(256), r.randrange(1 << 16), r.randrange(1, 256)
    ip = (
        struct.pack("!BBHHHBBH", 0x45, tos, 20 + length, identification, 0x4000, ttl, protocol, 0)
        + source
        + destination
    )
    ip = ip[:10] + _checksum(ip) + ip[12:]
    return MACS[port.other] + MACS[port] + b"\x08\x00" + ip + segment


def _checksum(data: bytes) -> bytes:
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + bytes(len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!H", 0xFFFF - total)


def run(library: Path, netlist: Netlist, lanes: int, record: Path) -> Run:
    device = ctypes.CDLL(str(library))
    device.custodes_open.restype = ctypes.c_void_p
    handle = ctypes.c_void_p(device.custodes_open(None))
    for address, value in policy_writes(policy()):
        device.custodes_write(handle, address, value)
    cycles = CYCLES[lanes]
    r = random.Random(0)

    def fill(ports: tuple[Port, ...]) -> None:
        sent = 0
        while sent < cycles * lanes:
            for size in SIZES:
                for tcp in (False, True):
                    for port in ports:
                        data = frame(port, size, tcp, r)
                        device.custodes_send(handle, port, data, len(data), 0)
                    sent += size

    fill((Port.CLUSTER,))
    # What is worked out for the first time is not typical.
    device.custodes_step(handle, ctypes.c_uint64(cycles // 4))
    device.forget()
    device.custodes_step(handle, ctypes.c_uint64(cycles // 2))
    fill((Port.CLUSTER, Port.WORLD))
    device.custodes_step(handle, ctypes.c_uint64(cycles // 2 - 1))
    reason, altered, data = ctypes.c_uint32(), ctypes.c_uint32(), ctypes.create_string_buffer(2048)
    device.custodes_take(handle, Port.CLUSTER, ctypes.byref(reason), ctypes.byref(altered), data, ctypes.c_uint64(2048))
    if reason.value != Reason.FORWARDED:
        raise AssertionError(f"frames of the recorded run are dropped: {Reason(reason.value).name}")
    if not device.record(os.fsencode(record)):
        raise OSError(f"{record}: cannot write")
    rows = record.read_bytes()
    numbers = [int.from_bytes(rows[at : at + cycles // 8], "little") for at in range(0, len(rows), cycles // 8)]
    memories = len(netlist.variables)
    units = memories + len(netlist.memories)
    return Run(cycles, numbers[:memories], numbers[memories:units], numbers[units:])
