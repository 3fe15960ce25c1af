# SPDX-License-Identifier: Apache-2.0
"""The simulated network card from blank to sealed traffic, by commands alone: its firmware runs on its CPU."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path

import pytest
from scapy.contrib.macsec import MACsecSA
from scapy.layers.l2 import Ether
from typer.testing import CliRunner, Result

from custodes import commands
from custodes.firmware import Firmware
from custodes.governors import signers
from custodes.lifecycle import Lifecycle
from custodes.macsec import Side
from custodes.mailbox import Item, Status
from custodes.nic import FirmwareError, Nic
from custodes.orders import Orders, signed
from custodes.processor_registers import ASSOCIATION_STATE, IN_USE, PN_STATE, association_register
from custodes.provisioning import load_provisioning
from custodes.simnic import SimNic
from tests.firmware.provisioned import XPN, operational_flash
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
    """Files for the commands; ``flash`` is that of a device that is operational."""
    folder = tmp_path_factory.mktemp("nic")
    write_files(folder, SHORT_TOML)
    (folder / "keys.toml").write_text(TRANSMIT_TOML)
    write_capture(folder / "in.pcap", FRAMES)
    provisioning = load_provisioning(folder / "nic.toml")
    governors = signers([folder / "governor0.key"], provisioning.governors, 1)
    (folder / "flash").write_bytes(operational_flash(provisioning.items, governors))
    return folder


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


def test_a_wrapped_key_opens_inside_and_seals_what_scapy_opens(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one device, as it takes long to prove who it is: it stays on when the command is done."""
    with SimNic() as link:
        link.flash = (folder / "flash").read_bytes()
        monkeypatch.setattr("custodes.device.open_link", lambda *_: nullcontext(link))
        options = ("--keys", folder / "keys.toml", "--check", "--json", "--device", "sim:nic", *governed(folder))
        found = json.loads(custodes("seal", folder / "in.pcap", tmp_path / "out.pcap", *options).stdout)
        assert found["check"]["verdict"] == "0 mismatches against the specification"
        assert found["frames"]["out"] == len(FRAMES)
        assert opened_by_scapy([frame for _, frame in read_capture(tmp_path / "out.pcap")]) == FRAMES
        orders_reach_the_datapath_once(folder, link)


def orders_reach_the_datapath_once(folder: Path, link: SimNic) -> None:
    governors = signers([folder / "governor0.key"], load_provisioning(folder / "nic.toml").governors, 1)

    def give(payload: bytes) -> Status:
        try:
            Firmware(Nic(link)).order(payload, signed(payload, governors))
        except FirmwareError as error:
            return error.status
        return Status.OK

    association, number = XPN.model_copy(update={"an": 2}), 2
    orders = Orders(Firmware(Nic(link)).identify())
    key = orders.key(Side.ACCELERATOR, 0, association, selected=True)
    assert give(key) is Status.OK
    state = link.read(association_register(ASSOCIATION_STATE, Side.ACCELERATOR, number))
    assert state == IN_USE | association.suite
    lower = association_register(PN_STATE, Side.ACCELERATOR, number)
    assert link.read(lower) | link.read(lower + 1) << 32 == association.pn
    assert give(key) is Status.REPLAYED
    assert give(orders.key(Side.NETWORK, 0, association, selected=False)) is Status.ABSENT

    link.reset()
    assert Nic(link).booted() is Lifecycle.OPERATIONAL
    assert give(key) is Status.REPLAYED
    assert not link.read(association_register(ASSOCIATION_STATE, Side.ACCELERATOR, number)) & IN_USE


def served(flash: Path) -> Server:
    """A device at a serial port."""
    return Server("--device", f"sim:nic:{flash}")


def test_a_device_at_a_serial_port_is_provisioned_and_observed(folder: Path, tmp_path: Path) -> None:
    """From blank to operational by the firmware in its ROM; what it is provisioned with outlives power."""
    server = served(tmp_path / "flash")
    try:
        device = ("--device", f"serial:{server.path}@3000000")
        provisioned_and_observed(folder, device)
        activated(folder, device)
    finally:
        assert server.end()[0] == 0
    assert (tmp_path / "flash").read_bytes() == (folder / "flash").read_bytes()
    found = json.loads(custodes("info", "--no-prove", "--json", "--device", f"sim:nic:{tmp_path / 'flash'}").stdout)
    assert found["control"]["lifecycle"] == "OPERATIONAL"
    items = load_provisioning(folder / "nic.toml").items
    assert {name: item["bytes"] for name, item in found["items"].items()} == {
        item.name: len(items[item]) for item in Item
    }


def provisioned_and_observed(folder: Path, device: tuple[str, str]) -> None:
    found = json.loads(custodes("provision", folder / "nic.toml", "--yes", "--json", *device).stdout)
    assert (found["lifecycle"], found["locked"]) == ("PROVISIONED", True)
    assert found["provisioning_digest"] == load_provisioning(folder / "nic.toml").digest.hex()
    assert all(item["written"] for item in found["items"].values())
    status = json.loads(custodes("status", "--json", *device).stdout)
    assert (status["lifecycle"], status["alarms"], status["noise"]["state"]) == ("PROVISIONED", [], "READY")
    counters = json.loads(custodes("counters", "--json", *device).stdout)["counters"]
    assert counters["transmit OutPktsTooShort"] == 0
    lines = custodes("counters", "--watch", "--count", 2, "--interval", 0.1, *device).stdout.splitlines()
    assert len(lines) == 2
    entries = json.loads(custodes("log", "--json", *device).stdout)["entries"]
    assert [entry["text"] for entry in entries if entry["event"] == "STORED"] == [item.name.lower() for item in Item]
    register = json.loads(custodes("reg", "read", "LIFECYCLE", "--json", *device).stdout)["registers"]
    assert register[0]["fields"] == {"STATE": "PROVISIONED"}
    refused = CliRunner().invoke(commands.app, ["reg", "write", "WINDOW", "1", *device])
    assert (refused.exit_code, refused.stdout) == (5, "")
    assert "it is provisioned, and this is for blank devices only" in refused.stderr


def activated(folder: Path, device: tuple[str, str]) -> None:
    options = ("--governor-key", folder / "governor0.key", "--yes", "--json", *device)
    found = json.loads(custodes("provision", folder / "nic.toml", *options).stdout)
    assert (found["lifecycle"], found["locked"], found["activated"]) == ("OPERATIONAL", False, True)
    assert found["provisioning_digest"] == load_provisioning(folder / "nic.toml").digest.hex()
    assert not any(item["written"] for item in found["items"].values())
