# SPDX-License-Identifier: Apache-2.0
"""The policy: what a warden admits, as one validated TOML file.

The specification and the gateware read the same object; `custodes.registers` turns it into register writes.
"""

from __future__ import annotations

import ipaddress
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from custodes.errors import PolicyError
from custodes.flow_table import MAPPED, MAX_WINDOW_SCALE
from custodes.table import Port

MAX_DENIED_UDP_PORTS = 8
MAX_STATIONS = 255
MAX_ADDRESSES = 384
MAX_FILE_BYTES = 1 << 20
UNTAGGED = "untagged"
MAX_VLAN = 4094
PROBLEMS = {
    "extra_forbidden": "no such key",
    "frozen_set_type": "should be a list",
    "int_type": "should be a whole number",
    "missing": "is missing",
    "model_type": "should be a table",
    "tuple_type": "should be a list",
}
"""What pydantic calls an error -> what it means in a policy file."""
LIMITED_BROADCAST = ipaddress.IPv4Address("255.255.255.255")
QUIC_AND_DTLS_PORTS = (443, 784, 853, 4433, 5061, 5349, 5684, 8853)
"""HTTP/3 and OpenConnect, DNS over QUIC and DTLS, QUIC test servers, SIP, TURN and CoAP over DTLS."""


def _mac(text: object) -> bytes:
    if isinstance(text, bytes) and len(text) == 6:
        return text
    if not isinstance(text, str) or not re.fullmatch("(?:[0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}", text):
        raise ValueError(f"{text!r} is not a MAC address")
    raw = bytes.fromhex(text.replace(":", ""))
    if raw[0] & 1 or raw == bytes(6):
        raise ValueError(f"{text} is not the address of one station")
    return raw


def _ip(text: object) -> bytes:
    if isinstance(text, bytes) and len(text) in (4, 16):
        return text
    if not isinstance(text, str) or "%" in text:
        raise ValueError(f"{text!r} is not an IPv4 or IPv6 address")
    address = ipaddress.ip_address(text)
    if address.is_multicast or address.is_unspecified or address == LIMITED_BROADCAST:
        raise ValueError(f"{text} is not the address of one station")
    return address.packed


def _vlan(value: object) -> object:
    if value != UNTAGGED and not (type(value) is int and 0 <= value <= MAX_VLAN):
        raise ValueError(f'{value!r} is neither "{UNTAGGED}" nor a VLAN identifier from 0 to {MAX_VLAN}')
    return value


Mac = Annotated[bytes, BeforeValidator(_mac)]
Ip = Annotated[bytes, BeforeValidator(_ip)]
Vlan = Annotated[Literal["untagged"] | int, BeforeValidator(_vlan)]
Number = Annotated[int, Field(strict=True)]


class Strict(BaseModel):
    """A table of a file that has no keys but those of its class."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Station(Strict):
    """A MAC address and the IP addresses that are bound to it."""

    mac: Mac
    ip: tuple[Ip, ...] = ()


class Udp(Strict):
    deny_ports: Annotated[
        tuple[Annotated[Number, Field(ge=1, le=65535)], ...], Field(max_length=MAX_DENIED_UDP_PORTS)
    ] = QUIC_AND_DTLS_PORTS


class Tcp(Strict):
    mss: Annotated[Number, Field(ge=536, le=1460)] = 1440
    """Largest MSS that passes, in bytes."""


class Flow(Strict):
    """What the flow table does."""

    ephemeral_from: Annotated[Number, Field(ge=1, le=MAPPED)] = MAPPED
    """TCP and UDP ports from here on are mapped where they begin a flow; those below stay."""
    window_scale: Annotated[Number, Field(ge=0, le=MAX_WINDOW_SCALE)] = 7
    """TCP window scale that leaves, where one is offered."""
    tick: Annotated[Number, Field(ge=0, lt=1 << 24)] = 1 << 17
    """Period of ticks, in 2^16 cycles of the datapath (at 125 MHz the default is 69 seconds); 0: flows do not grow old. A
    flow that has not been used is freed at the third tick."""


class Policy(Strict):
    """What is admitted. ``cluster`` and ``world`` list the stations behind each port; a station may be behind both."""

    ethertypes: frozenset[Literal["arp", "ipv4", "ipv6"]] = frozenset({"arp", "ipv4", "ipv6"})
    protocols: frozenset[Literal["tcp", "udp", "icmp", "icmpv6", "nd"]] = frozenset(
        {"tcp", "udp", "icmp", "icmpv6", "nd"}
    )
    vlans: frozenset[Vlan] = frozenset({UNTAGGED})
    ttl: Annotated[Number, Field(ge=1, le=255)] = 64
    tcp: Tcp = Tcp()
    udp: Udp = Udp()
    flow: Flow = Flow()
    cluster: tuple[Station, ...] = ()
    world: tuple[Station, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Policy:
        owner: dict[bytes, bytes] = {}
        for port in Port:
            seen: set[bytes] = set()
            for station in self.stations(port):
                if station.mac in seen:
                    raise ValueError(f"{port.name.lower()}: {station.mac.hex(':')} is listed twice")
                seen.add(station.mac)
                for ip in station.ip:
                    if owner.setdefault(ip, station.mac) != station.mac:
                        raise ValueError(f"{ipaddress.ip_address(ip)} is bound to two stations")
        addresses = len(owner) + len(self.station_ids())
        if len(self.station_ids()) > MAX_STATIONS:
            raise ValueError(f"{len(self.station_ids())} stations; the device tells {MAX_STATIONS} apart")
        if addresses > MAX_ADDRESSES:
            raise ValueError(f"{addresses} addresses; the device's table takes {MAX_ADDRESSES}")
        return self

    def stations(self, port: Port) -> tuple[Station, ...]:
        return self.cluster if port is Port.CLUSTER else self.world

    def station_ids(self) -> dict[bytes, int]:
        """A number from 1 for every MAC address: what binds an IP address to its station."""
        macs = dict.fromkeys(station.mac for port in Port for station in self.stations(port))
        return {mac: i for i, mac in enumerate(macs, 1)}

    def addresses(self) -> dict[bytes, tuple[int, int]]:
        """MAC, IPv4 and IPv6 addresses (told apart by length) -> (ports as a bit mask, station number)."""
        ids = self.station_ids()
        table: dict[bytes, tuple[int, int]] = {}
        for port in Port:
            for station in self.stations(port):
                for address in (station.mac, *station.ip):
                    ports, _ = table.get(address, (0, 0))
                    table[address] = (ports | 1 << port, ids[station.mac])
        return table


def load_policy(path: Path) -> Policy:
    """Read and validate a policy file; raises `PolicyError` with one line that names what is wrong."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
        if len(data) > MAX_FILE_BYTES:
            raise PolicyError(f"{path}: larger than {MAX_FILE_BYTES} bytes")
        return Policy.model_validate(tomllib.loads(data.decode()))
    except OSError as error:
        raise PolicyError(f"{path}: {error.strerror}") from None
    except ValidationError as error:
        raise PolicyError(f"{path}: {first_problem(error)}") from None
    except (ValueError, RecursionError) as error:
        raise PolicyError(f"{path}: not TOML: {error}") from None


def first_problem(error: ValidationError) -> str:
    """The first thing that is wrong, in the words of TOML."""
    first = error.errors()[0]
    text = PROBLEMS.get(first["type"]) or first["msg"].removeprefix("Value error, ")
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {text}" if where else text


def admit_found(sightings: Iterable[tuple[bytes, bytes | None]], vlans: Iterable[int | None]) -> Policy:
    """A policy that admits the addresses and VLANs found in a capture, on both ports.

    ``sightings`` are pairs of a source MAC address and a source IP address, in order; the first MAC address seen with
    an IP address is the one that the IP address is bound to.
    """
    found: dict[bytes, dict[bytes, None]] = {}
    bound: set[bytes] = set()
    for mac, ip in sightings:
        if mac[0] & 1 or mac == bytes(6):
            continue
        ips = found.setdefault(mac, {})
        if ip is not None and ip not in bound and any(ip):
            bound.add(ip)
            ips[ip] = None
    stations = tuple(Station(mac=mac, ip=tuple(ips)) for mac, ips in found.items())
    ids = frozenset[Vlan](UNTAGGED if vid is None else vid for vid in vlans) or frozenset({UNTAGGED})
    try:
        return Policy(vlans=ids, cluster=stations, world=stations)
    except ValidationError as error:
        raise PolicyError(f"addresses found in the capture: {first_problem(error)}; give a policy") from None
