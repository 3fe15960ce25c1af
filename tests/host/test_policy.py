# SPDX-License-Identifier: Apache-2.0
"""Policy files: what is admitted, and the line that says what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from custodes.errors import PolicyError
from custodes.policy import MAX_FILE_BYTES, MAX_STATIONS, Policy, load_policy
from custodes.table import Port

STATION = '[[cluster]]\nmac = "02:00:00:00:00:01"\n'
BROKEN = {
    "no TOML": ("= =", "not TOML: Invalid statement"),
    "cut": ("[[cluster", "not TOML"),
    "other encoding": ("ttl = 64".encode("utf-16"), "not TOML"),
    "key twice": ("ttl = 1\nttl = 2", "not TOML"),
    "endless number": (f"ttl = {'9' * 5000}", "not TOML"),
    "too deep": (f"vlans = {'[' * 3000}{']' * 3000}", "not TOML"),
    "too large": ("#" * (MAX_FILE_BYTES + 1), "larger than 1048576 bytes"),
    "unknown key": ("tll = 64", "tll: no such key"),
    "unknown key in a table": ("[tcp]\nmms = 1000", "tcp.mms: no such key"),
    "text for a number": ('ttl = "64"', "ttl: should be a whole number"),
    "truth for a number": ("ttl = true", "ttl: should be a whole number"),
    "fraction": ("[tcp]\nmss = 1000.0", "tcp.mss: should be a whole number"),
    "too small": ("[udp]\ndeny_ports = [0]", "udp.deny_ports.0: Input should be greater than or equal to 1"),
    "scale too large": ("[flow]\nwindow_scale = 9", "flow.window_scale: Input should be less than or equal to 8"),
    "ephemeral ports too high": (
        "[flow]\nephemeral_from = 32769",
        "flow.ephemeral_from: Input should be less than or equal to 32768",
    ),
    "unknown protocol": ('protocols = ["sctp"]', "protocols.0: Input should be 'tcp'"),
    "text for a list": ('vlans = "untagged"', "vlans: should be a list"),
    "reserved VLAN": ("vlans = [4095]", 'vlans.0: 4095 is neither "untagged" nor a VLAN identifier from 0 to 4094'),
    "truth for a VLAN": ("vlans = [true]", 'vlans.0: True is neither "untagged"'),
    "number for a table": ("tcp = 5", "tcp: should be a table"),
    "one table for a list": ('[cluster]\nmac = "02:00:00:00:00:01"', "cluster: should be a list"),
    "no MAC address": ("[[world]]\nip = []", "world.0.mac: is missing"),
    "short MAC address": ('[[cluster]]\nmac = "02:00"', "cluster.0.mac: '02:00' is not a MAC address"),
    "signs in a MAC address": ('[[cluster]]\nmac = "+2: 0:00:00:00:01"', "is not a MAC address"),
    "foreign digits": ('[[cluster]]\nmac = "٠٢:00:00:00:00:01"', "is not a MAC address"),
    "group MAC address": ('[[cluster]]\nmac = "03:00:00:00:00:01"', "is not the address of one station"),
    "MAC address twice": (2 * STATION, ": cluster: 02:00:00:00:00:01 is listed twice"),
    "text for addresses": (f'{STATION}ip = "192.0.2.1"', "cluster.0.ip: should be a list"),
    "number for an address": (f"{STATION}ip = [1]", "cluster.0.ip.0: 1 is not an IPv4 or IPv6 address"),
    "zone": (f'{STATION}ip = ["fe80::1%eth0"]', "is not an IPv4 or IPv6 address"),
    "network": (f'{STATION}ip = ["192.0.2.0/24"]', "does not appear to be an IPv4 or IPv6 address"),
    "group address": (f'{STATION}ip = ["ff02::1"]', "ff02::1 is not the address of one station"),
    "no address": (f'{STATION}ip = ["0.0.0.0"]', "0.0.0.0 is not the address of one station"),
    "broadcast": (f'{STATION}ip = ["255.255.255.255"]', "is not the address of one station"),
    "too many stations": (
        "".join(f'[[cluster]]\nmac = "02:00:00:00:{i >> 8:02x}:{i & 255:02x}"\n' for i in range(MAX_STATIONS + 1)),
        ": 256 stations; the device tells 255 apart",
    ),
    "too many addresses": (
        f"{STATION}ip = {[f'10.0.{i >> 8}.{i & 255}' for i in range(384)]}",
        ": 385 addresses; the device's table takes 384",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_says_what_is_wrong_in_the_words_of_the_file(tmp_path: Path, name: str) -> None:
    text, message = BROKEN[name]
    path = tmp_path / "policy.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(PolicyError) as caught:
        load_policy(path)
    assert str(caught.value).startswith(f"{path}: ") and message in str(caught.value)
    assert "\n" not in str(caught.value) and "Value error" not in str(caught.value)


def test_an_empty_file_is_the_default_policy(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.touch()
    assert load_policy(path) == Policy()


def test_takes_addresses_as_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text('[[world]]\nmac = "0A:00:00:00:00:fF"\nip = ["192.0.2.1", "2001:DB8::1"]')
    (station,) = load_policy(path).stations(Port.WORLD)
    assert station.mac == bytes.fromhex("0a00000000ff")
    assert station.ip == (bytes.fromhex("c0000201"), bytes.fromhex("20010db8000000000000000000000001"))
