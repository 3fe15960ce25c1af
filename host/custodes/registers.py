# SPDX-License-Identifier: Apache-2.0
"""Registers of the warden, as data, and the writes that put a policy into it. Addresses count 32-bit words."""

from __future__ import annotations

import enum
import zlib
from collections.abc import Iterator

from custodes.address_table import (
    BOUND_BITS,
    ROW_BITS,
    TABLES,
    WORD_BITS,
    address_key,
    place_addresses,
    row_words,
    table_row,
)
from custodes.ethernet import LinkSpeed, PortEvent
from custodes.flow_table import TURNS as FLOW_TURNS
from custodes.policy import UNTAGGED, Policy
from custodes.register_map import DATAPATH_WORDS, Access, Block, Field, Register
from custodes.table import SCRUBBED, Port, Reason

IDENTITY_VALUE = 0x43555354
ENABLE_BITS = ("arp", "ipv4", "ipv6", "tcp", "udp", "icmp", "icmpv6", "nd", "deny")
UNTAGGED_VID = 4095
"""Reserved by IEEE 802.1Q, so that no tagged frame can mean it."""
DENIED_PORTS = 8

PORT_REGISTERS = 0x20
"""Of each Ethernet port; a device whose frames come from a simulation has none."""
_COUNTERS, _COUNTERS_PER_PORT, _ALTERED = 0x100, 0x80, 0x40


def identity_registers(kind: str, identity_value: int) -> tuple[Register, ...]:
    """What every datapath begins with."""
    return (
        Register(
            "IDENTITY",
            0x000,
            Access.READ,
            f"Reads {identity_value.to_bytes(4, 'big').decode()}: this is a {kind}.",
            reset=identity_value,
        ),
        Register("LANES", 0x001, Access.READ, "Bytes per beat of the datapath.", reset=None),
        Register(
            "VOCABULARY", 0x002, Access.READ, "CRC of what host and device must agree on besides registers.", reset=None
        ),
    )


def port_registers(ports: type[enum.IntEnum], first: int) -> tuple[Register, ...]:
    """Those of a device's Ethernet ports, from offset ``first`` on; each name begins with that of its port."""
    return tuple(register for port in ports for register in _port(f"{port.name}_", first + PORT_REGISTERS * port))


def _port(prefix: str, first: int) -> tuple[Register, ...]:
    return (
        Register(
            f"{prefix}SPEED",
            first + 0x00,
            Access.READ,
            "Of the link, told from the receive clock.",
            (Field("SPEED", 0, 2, "Frames pass at M1000 only.", LinkSpeed),),
            reset=None,
        ),
        Register(
            f"{prefix}MDIO",
            first + 0x01,
            Access.READ_WRITE,
            "Management of the PHY (IEEE 802.3, 22.2.4.5). Writing begins a transaction, unless one is under way.",
            (
                Field("VALUE", 0, 16, "To write; or what was read, right while not busy."),
                Field("REGISTER", 16, 5, "Of the PHY.", access=Access.WRITE),
                Field("PHY", 21, 5, "Its address.", access=Access.WRITE),
                Field("WRITE", 26, 1, "1: write, 0: read.", access=Access.WRITE),
                Field("FAILED", 16, 1, "No PHY answered a read.", access=Access.READ),
                Field("BUSY", 17, 1, "A transaction is under way.", access=Access.READ),
            ),
            reset=None,
        ),
        Register(
            f"{prefix}EVENTS",
            first + 0x10,
            Access.READ,
            "Frames, by what became of them at the port.",
            count=len(PortEvent),
            reset=None,
            names=tuple(event.name for event in PortEvent),
        ),
    )


def _counters(port: Port) -> tuple[Register, ...]:
    first = _COUNTERS + _COUNTERS_PER_PORT * port
    return (
        Register(
            f"{port.name}_FRAMES",
            first,
            Access.READ,
            f"Frames from the {port.name.lower()}, by verdict.",
            count=len(Reason),
            reset=None,
            names=tuple(reason.name for reason in Reason),
        ),
        Register(
            f"{port.name}_ALTERED",
            first + _ALTERED,
            Access.READ,
            f"Frames from the {port.name.lower()} in which a header field was altered, by field.",
            count=len(SCRUBBED),
            reset=None,
            names=tuple(row.key for row in SCRUBBED),
        ),
    )


WARDEN_BLOCK = Block(
    "warden",
    0,
    "The scrubbers of both directions, and their policy. Nothing is forwarded before a policy has been written.",
    (
        *identity_registers("warden", IDENTITY_VALUE),
        Register(
            "ENABLES",
            0x010,
            Access.WRITE,
            "What is admitted.",
            tuple(Field(name.upper(), bit, 1, f"Of the policy: {name}.") for bit, name in enumerate(ENABLE_BITS)),
        ),
        Register("TTL", 0x011, Access.WRITE, "TTL and hop limit of what leaves.", (Field("TTL", 0, 8, "Hops."),)),
        Register("MSS", 0x012, Access.WRITE, "The largest TCP MSS that leaves.", (Field("MSS", 0, 16, "Bytes."),)),
        Register(
            "DENY_PORTS",
            0x018,
            Access.WRITE,
            "UDP ports that are denied where ENABLES says so; one may stand several times.",
            (Field("PORT", 0, 16, "The port."),),
            count=DENIED_PORTS,
        ),
        Register(
            "FLOW_POLICY",
            0x013,
            Access.WRITE,
            "What flows become.",
            (
                Field("EPHEMERAL_FROM", 0, 16, "TCP and UDP ports from here on are mapped where they begin a flow."),
                Field("WINDOW_SCALE", 16, 4, "TCP window scale that leaves, where one is offered."),
            ),
        ),
        Register(
            "FLOW_TICK",
            0x014,
            Access.WRITE,
            "When flows grow older.",
            (Field("PERIOD", 0, 24, "Of ticks, in 2^16 cycles of the datapath; 0: there are none."),),
        ),
        Register(
            "FLOW_CONTROL",
            0x015,
            Access.WRITE,
            "What is done to all flows at once. A bit that is 0 does nothing.",
            (Field("TICK", 0, 1, "A tick now."), Field("CLEAR", 1, 1, "Every flow is freed.")),
        ),
        Register(
            "ROW",
            0x024,
            Access.WRITE,
            "A word of a row of the address table.",
            (
                Field("WORD", 0, WORD_BITS, "Part of the address."),
                Field("BOUND", WORD_BITS, BOUND_BITS, "Part of what goes with it: kind, ports, station."),
                Field("NUMBER", 18, 3, "Of the word."),
                Field("ROW", 21, ROW_BITS, "Where in its table."),
                Field("TABLE", 30, 1, "Which of the two."),
            ),
        ),
        Register(
            "VLAN",
            0x025,
            Access.WRITE,
            "Whether a VLAN is admitted.",
            (Field("VID", 0, 12, f"{UNTAGGED_VID}: frames without a tag."), Field("ADMITTED", 12, 1, "1: it is.")),
        ),
        Register("FLOWS", 0x030, Access.READ, "Slots of the flow table.", reset=None),
        Register(
            "FLOWS_IN_USE",
            0x031,
            Access.READ,
            "Slots that are taken; one that has become free may be among them until the next tick.",
            (
                Field("CLUSTER", 0, 16, "By flows that the cluster has begun."),
                Field("WORLD", 16, 16, "By flows that the world has begun."),
            ),
        ),
        Register(
            "FLOW_ALARM",
            0x032,
            Access.READ_WRITE,
            "What has kept a flow from beginning. Writing 1 to a bit clears it.",
            (
                Field("FULL", 0, 1, "No room in the flow table."),
                Field("EMPTY", 1, 1, "No word of entropy."),
            ),
        ),
        Register("FLOW_TICKS", 0x033, Access.READ, "Ticks since reset."),
        *(register for port in Port for register in _counters(port)),
        *port_registers(Port, 0x200),
    ),
)

IDENTITY = WARDEN_BLOCK.address("IDENTITY")
LANES = WARDEN_BLOCK.address("LANES")
VOCABULARY = WARDEN_BLOCK.address("VOCABULARY")
ENABLES = WARDEN_BLOCK.address("ENABLES")
TTL = WARDEN_BLOCK.address("TTL")
MSS = WARDEN_BLOCK.address("MSS")
FLOW_POLICY = WARDEN_BLOCK.address("FLOW_POLICY")
FLOW_TICK = WARDEN_BLOCK.address("FLOW_TICK")
FLOW_CONTROL = WARDEN_BLOCK.address("FLOW_CONTROL")
DENY_PORTS = WARDEN_BLOCK.address("DENY_PORTS")
ROW = WARDEN_BLOCK.address("ROW")
VLAN = WARDEN_BLOCK.address("VLAN")
FLOWS_REGISTER = WARDEN_BLOCK.address("FLOWS")
FLOWS_IN_USE = WARDEN_BLOCK.address("FLOWS_IN_USE")
FLOW_ALARM = WARDEN_BLOCK.address("FLOW_ALARM")
FLOW_TICKS = WARDEN_BLOCK.address("FLOW_TICKS")
COUNTERS = WARDEN_BLOCK.address("CLUSTER_FRAMES")
COUNTERS_PER_PORT = WARDEN_BLOCK.address("WORLD_FRAMES") - COUNTERS
FIELD_OFFSET = WARDEN_BLOCK.address("CLUSTER_ALTERED") - COUNTERS
PORTS = WARDEN_BLOCK.address("CLUSTER_SPEED")
PORT_SPEED = WARDEN_BLOCK.address("CLUSTER_SPEED") - PORTS
PORT_MDIO = WARDEN_BLOCK.address("CLUSTER_MDIO") - PORTS
PORT_EVENTS = WARDEN_BLOCK.address("CLUSTER_EVENTS") - PORTS
REGISTERS = DATAPATH_WORDS
NUMBER_SHIFT, ROW_SHIFT, TABLE_SHIFT = (WARDEN_BLOCK["ROW"].field(name).lowest for name in ("NUMBER", "ROW", "TABLE"))
ADMITTED = WARDEN_BLOCK["VLAN"].field("ADMITTED").mask
CLEAR = WARDEN_BLOCK["FLOW_CONTROL"].field("CLEAR").mask
TICK = WARDEN_BLOCK["FLOW_CONTROL"].field("TICK").mask


_ROWS = [table_row(table, 1 << bit) for table in range(TABLES) for bit in range(130)]
VOCABULARY_VALUE = zlib.crc32(repr((_ROWS, FLOW_TURNS, ENABLE_BITS, [*Reason], [row.key for row in SCRUBBED])).encode())
"""Of all that host and device must agree on, with two functions that are linear, `custodes.address_table.table_row` and
`custodes.flow_table.flow_set`: a device of another build reads differently."""


def policy_writes(policy: Policy) -> Iterator[tuple[int, int]]:
    """Register writes, (address, value), that put ``policy`` into a device and clear what was there before, every flow
    with it: what a flow calls its addresses holds under one policy only."""
    deny = sorted(policy.udp.deny_ports)
    enabled = {*policy.ethertypes, *policy.protocols, *(["deny"] if deny else [])}
    yield ENABLES, 0
    yield FLOW_CONTROL, CLEAR
    admitted = {UNTAGGED_VID if vlan == UNTAGGED else vlan for vlan in policy.vlans}
    for vid in range(4096):
        yield VLAN, vid | ADMITTED * (vid in admitted)
    addresses = policy.addresses()
    placed = place_addresses([address_key(address) for address in addresses])
    bound = {address_key(address): value for address, value in addresses.items()}
    for table in range(TABLES):
        for row in range(1 << ROW_BITS):
            key = placed.get((table, row), 0)
            ports, station = bound.get(key, (0, 0))
            for word, value in enumerate(row_words(key, ports, station)):
                yield ROW, value | word << NUMBER_SHIFT | row << ROW_SHIFT | table << TABLE_SHIFT
    yield TTL, policy.ttl
    yield MSS, policy.tcp.mss
    flow_policy = WARDEN_BLOCK["FLOW_POLICY"]
    yield (
        FLOW_POLICY,
        flow_policy.field("EPHEMERAL_FROM").place(policy.flow.ephemeral_from)
        | flow_policy.field("WINDOW_SCALE").place(policy.flow.window_scale),
    )
    yield FLOW_TICK, policy.flow.tick
    for k in range(DENIED_PORTS):
        yield DENY_PORTS + k, deny[k % len(deny)] if deny else 0
    yield ENABLES, sum(1 << bit for bit, name in enumerate(ENABLE_BITS) if name in enabled)


def initial_writes(policy: Policy) -> Iterator[tuple[int, int]]:
    """Those of `policy_writes` that a device needs whose tables are empty, as its bitstream leaves them."""
    for address, value in policy_writes(policy):
        if (address == VLAN and not value & ADMITTED) or (
            address == ROW and not value & (1 << WORD_BITS + BOUND_BITS) - 1
        ):
            continue
        yield address, value


def port_register(port: Port, register: int) -> int:
    """Address of a register of an Ethernet port: `PORT_SPEED`, `PORT_MDIO`, or `PORT_EVENTS` + `PortEvent`."""
    return PORTS + PORT_REGISTERS * port + register


def reason_counter(port: Port, reason: int) -> int:
    """Address of the counter of frames from ``port`` with this verdict."""
    return COUNTERS + COUNTERS_PER_PORT * port + reason


def field_counter(port: Port, row: int) -> int:
    """Address of the counter of frames from ``port`` in which row ``row`` of the table was altered."""
    return COUNTERS + COUNTERS_PER_PORT * port + FIELD_OFFSET + row
