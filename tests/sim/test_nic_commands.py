# SPDX-License-Identifier: Apache-2.0
"""The simulated network card from blank to sealed traffic, by commands alone: its firmware runs on its CPU."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from scapy.contrib.macsec import MACsecSA
from scapy.layers.l2 import Ether
from typer.testing import CliRunner, Result

from custodes import commands
from custodes.mailbox import Item
from custodes.provisioning import load_provisioning
from tests.host.fake import read_capture, write_capture
from tests.host.fake_nic import PROVISIONING_TOML, write_files
from tests.host.fake_processor import KEY_A, KEYS_TOML, SCI_OWN, plain
from tests.sim.test_serve import Server

FRAMES = [plain(60), plain(1518)]
SHORT_TOML = PROVISIONING_TOML.replace("threshold = 2", "threshold = 1").partition("[[receive]]")[0]
"""Each signature and each key costs the simulated CPU many seconds."""
TRANSMIT_TOML = KEYS_TOML.partition("[[receive]]")[0]


def custodes(*arguments: object) -> Result:
    result = CliRunner().invoke(commands.app, [str(argument) for argument in arguments], prog_name="custodes")
    assert result.exit_code == 0, result.stderr
    return result


def governed(folder: Path) -> tuple[object, ...]:
    return "--provisioning", folder / "nic.toml", "--governor-key", folder / "governor0.key"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files for the commands; ``flash`` is that of a device which they have made operational."""
    folder = tmp_path_factory.mktemp("nic")
    write_files(folder, SHORT_TOML)
    (folder / "keys.toml").write_text(TRANSMIT_TOML)
    write_capture(folder / "in.pcap", FRAMES)
    options = ("--device", f"sim:nic:{folder / 'flash'}", "--governor-key", folder / "governor0.key", "--yes", "--json")
    found = json.loads(custodes("provision", folder / "nic.toml", *options).stdout)
    assert (found["lifecycle"], found["locked"], found["activated"]) == ("OPERATIONAL", True, True)
    assert found["provisioning_digest"] == load_provisioning(folder / "nic.toml").digest.hex()
    assert all(item["written"] for item in found["items"].values())
    return folder


@pytest.fixture
def device(folder: Path, tmp_path: Path) -> str:
    """The operational device, with a flash of its own."""
    shutil.copy(folder / "flash", tmp_path / "flash")
    return f"sim:nic:{tmp_path / 'flash'}"


def opened_by_scapy(frames: list[bytes]) -> list[bytes]:
    """What a peer with the same key makes of sealed frames."""
    peer = MACsecSA(sci=SCI_OWN, an=1, pn=1, key=KEY_A, icvlen=16, encrypt=1, send_sci=1)
    return [bytes(peer.decap(peer.decrypt(Ether(frame)))) for frame in frames]


def test_seals_with_raw_keys_while_blank(tmp_path: Path) -> None:
    write_capture(tmp_path / "in.pcap", FRAMES)
    (tmp_path / "keys.toml").write_text(KEYS_TOML)
    options = ("--keys", tmp_path / "keys.toml", "--check", "--json", "--device", "sim:nic")
    found = json.loads(custodes("seal", tmp_path / "in.pcap", tmp_path / "out.pcap", *options).stdout)
    assert found["check"]["verdict"] == "0 mismatches against the specification"
    assert opened_by_scapy([frame for _, frame in read_capture(tmp_path / "out.pcap")]) == FRAMES


def test_what_it_is_provisioned_with_outlives_power(folder: Path, device: str) -> None:
    found = json.loads(custodes("info", "--no-prove", "--json", "--device", device).stdout)
    assert found["control"]["lifecycle"] == "OPERATIONAL"
    items = load_provisioning(folder / "nic.toml").items
    assert {name: item["bytes"] for name, item in found["items"].items()} == {
        item.name: len(items[item]) for item in Item
    }


def test_a_wrapped_key_opens_inside_and_seals_what_scapy_opens(folder: Path, device: str, tmp_path: Path) -> None:
    options = ("--keys", folder / "keys.toml", "--check", "--json", "--device", device, *governed(folder))
    found = json.loads(custodes("seal", folder / "in.pcap", tmp_path / "out.pcap", *options).stdout)
    assert found["check"]["verdict"] == "0 mismatches against the specification"
    assert found["frames"]["out"] == len(FRAMES)
    assert opened_by_scapy([frame for _, frame in read_capture(tmp_path / "out.pcap")]) == FRAMES


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """A blank device at a serial port."""
    server = Server("--device", f"sim:nic:{tmp_path / 'flash'}")
    try:
        yield f"serial:{server.path}@3000000"
    finally:
        assert server.end()[0] == 0


def test_a_device_at_a_serial_port_is_provisioned_and_observed(folder: Path, served: str) -> None:
    found = json.loads(custodes("provision", folder / "nic.toml", "--yes", "--json", "--device", served).stdout)
    assert (found["lifecycle"], found["locked"]) == ("PROVISIONED", True)
    status = json.loads(custodes("status", "--json", "--device", served).stdout)
    assert (status["lifecycle"], status["alarms"], status["noise"]["state"]) == ("PROVISIONED", [], "READY")
    counters = json.loads(custodes("counters", "--json", "--device", served).stdout)["counters"]
    assert counters["transmit OutPktsTooShort"] == 0
    lines = custodes("counters", "--watch", "--count", 2, "--interval", 0.1, "--device", served).stdout.splitlines()
    assert len(lines) == 2
    entries = json.loads(custodes("log", "--json", "--device", served).stdout)["entries"]
    assert [entry["text"] for entry in entries if entry["event"] == "STORED"] == [item.name.lower() for item in Item]
    register = json.loads(custodes("reg", "read", "LIFECYCLE", "--json", "--device", served).stdout)["registers"]
    assert register[0]["fields"] == {"STATE": "PROVISIONED"}
    refused = CliRunner().invoke(commands.app, ["reg", "write", "WINDOW", "1", "--device", served])
    assert (refused.exit_code, refused.stdout) == (5, "")
    assert "it is provisioned, and this is for blank devices only" in refused.stderr
