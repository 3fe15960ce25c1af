# SPDX-License-Identifier: Apache-2.0
"""The whole gateway with its firmware: who gets the key that opens sealed weights, and what becomes of it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

import pytest
from typer.testing import CliRunner, Result

from custodes import commands
from custodes.errors import DeviceError, RefusedError, UsageError
from custodes.firmware import Firmware
from custodes.gateway_formats import ALWAYS, UPLOAD_BYTES, UPLOAD_HEAD_BYTES
from custodes.gateway_leg import PAUSE_CYCLES
from custodes.gateway_registers import Fault, GatewayPort, Mode
from custodes.governed import GovernedGateway
from custodes.governors import signers
from custodes.keys import Keys, load_keys
from custodes.lifecycle import Alarm, Lifecycle
from custodes.link import Ingress, open_link
from custodes.macsec import Side
from custodes.mailbox import Event, SelfTest
from custodes.maps import SNG
from custodes.nic import FirmwareError, Nic
from custodes.processor import keys_writes
from custodes.provisioner import Provisioner
from custodes.provisioning import Provisioning, load_provisioning
from custodes.recognition import map_of, recognised
from custodes.register_map import Guard
from custodes.simlink import library_path
from custodes.simsng import SimSng
from custodes.table import Port
from custodes.upload import Send, sealing, through, upload_frame, weights_sealer
from tests.firmware.provisioned import operational_flash
from tests.frames import MACS, Frame, Ip4, Tcp
from tests.host.fake_nic import write_files
from tests.sim.test_gateway import ACK, SERVER

WEIGHTS = bytes(range(256)) * 9
DIGEST = hashlib.sha256(WEIGHTS).digest()
SCI = "02:00:00:00:00:09/1"
GATEWAY_TOML = f"""
[device]
name = "sng-1"
serial = "2026-0001"

[governors]
threshold = 1
keys = ["governor0.pub"]

[policy]
file = "policy.toml"

[[whitelist]]
model = "small"
file = "listed.bin"

[[receive]]
sci = "{SCI}"
"""
ADMITTED_TOML = f"""
ethertypes = ["ipv4"]
protocols = ["tcp"]
cluster = [{{mac = "{SERVER.hex(":")}", ip = ["192.0.2.1"]}}]
world = [{{mac = "{MACS[Port.WORLD].hex(":")}", ip = ["192.0.2.2"]}}]
"""
SOME_CYCLES = 12_000
"""For frames to come through, and a digest."""

pytestmark = pytest.mark.skipif(not library_path("sng", 1).exists(), reason="sim:sng is not built")


def keys_toml(key: bytes) -> str:
    return f'[[receive]]\nsci = "{SCI}"\n[[receive.association]]\nan = 0\nsuite = "GCM-AES-256"\nkey = "{key.hex()}"\n'


def custodes(*arguments: object) -> Result:
    return CliRunner().invoke(commands.app, [str(argument) for argument in arguments], prog_name="custodes")


def frames(octets: bytes) -> list[bytes]:
    return [upload_frame(at, octets[at : at + UPLOAD_BYTES]) for at in range(0, len(octets), UPLOAD_BYTES)]


def sent(send: Send, octets: Sequence[bytes]) -> None:
    for frame in octets:
        send(frame)


class Files:
    """What a governor has: a provisioning, his key, and that of the weights; ``later``: the same, for frames that follow."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        write_files(folder, GATEWAY_TOML)
        (folder / "listed.bin").write_bytes(WEIGHTS)
        keys = keys_toml(os.urandom(32))
        (folder / "keys.toml").write_text(keys)
        self.provisioning = load_provisioning(folder / "nic.toml")
        self.signers = signers([folder / "governor0.key"], self.provisioning.governors, 1)
        self.keys = load_keys(folder / "keys.toml")
        self.later = Keys.model_validate(tomllib.loads(keys + "pn = 1000"))

    def upload(self, device: str, *options: object, weights: bytes = WEIGHTS) -> Result:
        """By the command; the manifest is of these weights."""
        folder, signer = self.folder, ("--governor-key", self.folder / "governor0.key")
        (folder / "weights.bin").write_bytes(weights)
        made = custodes("manifest", folder / "weights.bin", "--model", "small", "--out", folder / "manifest", *signer)
        assert made.exit_code == 0
        names = ("--manifest", folder / "manifest", "--governor", folder / "governor0.pub")
        return custodes("upload", folder / "weights.bin", *names, "--device", device, *options)

    def governed(self, link: SimSng, provisioning: Provisioning | None = None) -> GovernedGateway:
        return GovernedGateway(Nic(link), provisioning or self.provisioning, self.signers)

    @property
    def options(self) -> tuple[object, ...]:
        folder = self.folder
        return (
            *("--provisioning", folder / "nic.toml", "--governor-key", folder / "governor0.key"),
            *("--keys", folder / "keys.toml"),
        )


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("sng"))


@pytest.fixture(scope="module")
def flash(files: Files) -> Path:
    """Of a device that is operational."""
    path = files.folder / "flash"
    path.write_bytes(operational_flash(files.provisioning.items, files.signers))
    return path


@pytest.fixture
def blank() -> Iterator[SimSng]:
    with SimSng() as link:
        Nic(link).booted()
        yield link


def question(payload: bytes) -> bytes:
    return Frame(Ip4(Tcp(ACK, b"", payload, 50_000, 80, 1000), Port.WORLD)).pack()


def served(link: SimSng) -> bytes:
    """What has left to the server."""
    link.step(SOME_CYCLES)
    return b"".join(frame[UPLOAD_HEAD_BYTES:] for frame in link.left(GatewayPort.SERVER))


class Uploaded(NamedTuple):
    """An operational device that stays on when the command is done which has uploaded, and what came of that."""

    link: SimSng
    result: Result
    weights: bytes


@pytest.fixture(scope="module")
def uploaded(files: Files, flash: Path) -> Iterator[Uploaded]:
    """For one test that changes it, as a device takes long to prove who it is."""
    with SimSng() as link, pytest.MonkeyPatch.context() as patch:
        link.flash = flash.read_bytes()
        patch.setattr("custodes.device.open_link", lambda *_: nullcontext(link))
        (files.folder / "admitted.toml").write_text(ADMITTED_TOML)
        result = files.upload("sim:sng", *files.options, "--policy", files.folder / "admitted.toml", "--json")
        patch.undo()
        yield Uploaded(link, result, served(link))


def test_the_command_uploads_sealed_weights_through_an_attested_gateway(uploaded: Uploaded):
    result = uploaded.result
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert (found["serving"], found["sealed"], found["sha256"]) == (True, True, DIGEST.hex())
    assert "receive channel 0, AN 0: installed" in result.stderr
    assert uploaded.weights == WEIGHTS


def test_the_key_of_weights_is_of_use_in_an_attested_gateway_until_somebody_tampers(files: Files, uploaded: Uploaded):
    link, gateway = uploaded.link, GovernedGateway(Nic(uploaded.link))
    it_serves_and_keeps_its_keys(files, link, gateway)
    gateway.stop()
    only_what_was_released_opens(files, link, gateway)
    link.tamper(True)
    link.step_control(100)
    assert not link.power and Nic(link).lifecycle is Lifecycle.TAMPERED
    link.step_control(SOME_CYCLES)
    assert gateway.fault is Fault.GUARD and gateway.tampered and gateway.numbers(Side.NETWORK) == []
    assert Nic(link).alarms == (Alarm.TAMPER,)
    gateway.registers.write("UPLOAD_COMMAND", 1)
    link.step(SOME_CYCLES)
    assert not link.power


def it_serves_and_keeps_its_keys(files: Files, link: SimSng, gateway: GovernedGateway) -> None:
    for address, value in keys_writes(Keys()):
        with pytest.raises(RefusedError):
            link.write(address, value)
    assert gateway.mode is Mode.SERVING and link.power
    gateway.epoch(ALWAYS)
    link.send(Ingress(GatewayPort.WORLD, question(b"who guards?")))
    link.step(SOME_CYCLES)
    assert [b"who guards?" in frame for frame in link.left(GatewayPort.SERVER)] == [True]

    # Orders for sessions are refused while there is power.
    with pytest.raises(DeviceError, match="its datapath refuses"):
        GovernedGateway(Nic(link), files.provisioning, files.signers, replace=True).load(files.keys)
    assert gateway.mode is Mode.SERVING and gateway.numbers(Side.NETWORK) == [0]


def only_what_was_released_opens(files: Files, link: SimSng, gateway: GovernedGateway) -> None:
    def begin(pause_cycles: int = PAUSE_CYCLES, *, sealed: bool = True) -> None:
        gateway.take_sealed(sealed)
        gateway.start(8 * len(WEIGHTS), DIGEST, SERVER, pause_cycles)
        link.left(GatewayPort.SERVER)

    def send(keys: Keys) -> None:
        sent(sealing(weights_sealer(keys), through(link)), frames(WEIGHTS))

    # A key that was never released: what is sealed with it is thrown away, and the pause takes the power.
    begin(pause_cycles=SOME_CYCLES)
    send(Keys.model_validate(tomllib.loads(keys_toml(os.urandom(32)))))
    assert gateway.counted == 0
    link.step(2 * SOME_CYCLES)
    assert gateway.fault is Fault.PAUSE and not link.power and link.left(GatewayPort.SERVER) == []

    # Without SEALED a host gets nothing opened.
    begin(sealed=False)
    send(files.later)
    link.step(SOME_CYCLES)
    assert gateway.counted == 0 and link.left(GatewayPort.SERVER) == []
    gateway.stop()

    begin()
    send(files.later)
    assert served(link) == WEIGHTS
    assert gateway.mode is Mode.SERVING and link.power


def test_a_host_cannot_say_which_weights_an_operational_gateway_takes(files: Files, flash: Path, tmp_path: Path):
    shutil.copy(flash, tmp_path / "flash")
    with SimSng(tmp_path / "flash") as link:
        gateway, other = GovernedGateway(Nic(link)), hashlib.sha256(b"others").digest()
        for name in ("UPLOAD_BITS", "UPLOAD_DIGEST"):
            with pytest.raises(RefusedError):
                link.write(SNG.address(name), 8)
        with pytest.raises(DeviceError, match="not on the whitelist that the device was provisioned with"):
            gateway.start(8 * len(WEIGHTS), other, SERVER, PAUSE_CYCLES)
        assert not link.power and gateway.registers.octets("UPLOAD_DIGEST") == bytes(32)
        with pytest.raises(DeviceError, match="not on the whitelist that the device was provisioned with"):
            gateway.start(8 * len(WEIGHTS) - 8, DIGEST, SERVER, PAUSE_CYCLES)
        assert not link.power

        gateway.start(8 * len(WEIGHTS), DIGEST, SERVER, PAUSE_CYCLES)
        assert link.power and gateway.registers.octets("UPLOAD_DIGEST") == DIGEST
        with pytest.raises(FirmwareError, match="its datapath refuses"):
            Firmware(Nic(link)).announce(DIGEST)
        sent(through(link), frames(WEIGHTS))
        link.step(SOME_CYCLES)
        assert gateway.mode is Mode.SERVING
        told = [entry.event for entry in Firmware(Nic(link)).log()]
        assert told.count(Event.ANNOUNCED) == 2  # with those that were said to be shorter

    result = files.upload(f"sim:sng:{tmp_path / 'flash'}", "--json", weights=b"others" * 99)
    assert result.exit_code == 5 and "not on the whitelist" in result.stderr and result.stdout == ""


def test_an_operational_gateway_takes_no_key_in_clear(files: Files, flash: Path, tmp_path: Path):
    shutil.copy(flash, tmp_path / "flash")
    device = f"sim:sng:{tmp_path / 'flash'}"
    result = files.upload(device, "--keys", files.folder / "keys.toml")
    assert result.exit_code == 2 and "the device is operational: say --provisioning" in result.stderr
    result = files.upload(device, *files.options[:2], *files.options[4:])
    assert result.exit_code == 2 and "--governor-key for each who signs" in result.stderr
    with SimSng(tmp_path / "flash") as link:
        Nic(link).booted()
        with pytest.raises(RefusedError):
            link.write(SNG.address("KEY"), 1)


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("sim:sng", "the device is blank: session keys of governors are for an operational one"),
        ("sim:gateway", "it cannot prove who it is"),
        ("sim:nic", "the device is no gateway"),
    ],
)
def test_what_is_no_operational_gateway_gets_no_key_and_no_weights(
    files: Files, device: str, message: str, monkeypatch: pytest.MonkeyPatch
):
    if not library_path(device.removeprefix("sim:"), 1).exists():
        pytest.skip(f"{device} is not built")
    frames_sent: list[object] = []
    monkeypatch.setattr("custodes.simlink.SimLink.send", lambda link, frame: frames_sent.append(frame))
    result = files.upload(device, *files.options)
    assert result.exit_code == 5 and message in result.stderr and result.stdout == ""
    assert frames_sent == []


def test_a_gateway_of_another_build_gets_no_key(files: Files, blank: SimSng):
    text = GATEWAY_TOML.replace("[governors]", f'build_id = "{bytes(32).hex()}"\n[governors]')
    path = files.folder / "other.toml"
    path.write_text(text)
    with pytest.raises(DeviceError, match="not the device that is meant: its build_id is"):
        files.governed(blank, load_provisioning(path)).load(files.keys)
    assert files.governed(blank).in_use(Side.NETWORK) == 0


def test_a_tampered_gateway_gets_no_key(files: Files, blank: SimSng):
    blank.tamper(True)
    blank.step_control(100)
    with pytest.raises(DeviceError, match="zeroised everything"):
        files.governed(blank).load(files.keys)


def served_raw(files: Files, blank: SimSng) -> GovernedGateway:
    """A blank device whose key was loaded in clear, and whose server serves."""
    gateway = GovernedGateway(Nic(blank))
    gateway.load(files.keys)
    gateway.take_sealed(True)
    gateway.start(8 * len(WEIGHTS), DIGEST, SERVER, PAUSE_CYCLES)
    sent(sealing(weights_sealer(files.keys), through(blank)), frames(WEIGHTS))
    blank.step(SOME_CYCLES)
    assert gateway.mode is Mode.SERVING and gateway.numbers(Side.NETWORK) == [0]
    return gateway


def test_firmware_that_has_failed_takes_the_power(files: Files, blank: SimSng):
    gateway = served_raw(files, blank)
    assert Firmware(Nic(blank)).selftest([SelfTest.SHA256], [SelfTest.SHA256])[1] == {SelfTest.SHA256}
    blank.step(SOME_CYCLES)
    assert not blank.power and gateway.tampered and gateway.numbers(Side.NETWORK) == []
    assert Nic(blank).lifecycle is Lifecycle.BLANK


def test_leaving_blank_takes_the_power_and_what_was_loaded_then(files: Files, blank: SimSng):
    gateway = served_raw(files, blank)
    firmware = Firmware(Nic(blank))
    for item, data in files.provisioning.items.items():
        firmware.store(item, data)
    assert gateway.mode is Mode.SERVING
    firmware.lock(files.provisioning.digest)
    assert Nic(blank).lifecycle is Lifecycle.PROVISIONED
    assert not blank.power and gateway.mode is Mode.OFF and gateway.numbers(Side.NETWORK) == []
    with pytest.raises(DeviceError, match="the device is provisioned: session keys of governors"):
        files.governed(blank).load(files.keys)
    with pytest.raises(DeviceError, match="the device is provisioned: it takes no weights"):
        gateway.start(8 * len(WEIGHTS), DIGEST, SERVER, PAUSE_CYCLES)
    gateway.registers.write("UPLOAD_COMMAND", 1)
    assert not blank.power and gateway.fault is Fault.LENGTH


def test_more_channels_than_a_gateway_has_are_not_provisioned(files: Files, blank: SimSng):
    channels = "".join(f'[[receive]]\nsci = "02:00:00:00:00:0{number}/1"\n' for number in range(4))
    path = files.folder / "many.toml"
    path.write_text(GATEWAY_TOML + channels)
    with pytest.raises(DeviceError, match="receive: 5 channels; a gateway takes 4"):
        Provisioner(Firmware(Nic(blank)), load_provisioning(path))


def test_says_what_it_is(blank: SimSng):
    found = recognised(blank)
    assert isinstance(found, Nic) and map_of(found) is SNG
    told = found.link.read(SNG.address("GATEWAY_MAP"))
    assert told == int.from_bytes(SNG.digest[:4], "little") and found.map_digest == SNG.digest
    assert {register.name for block in SNG.blocks for register in block.registers if register.guard is Guard.BLANK} >= {
        "KEY",
        "COMMAND",
    }


def test_is_opened_by_name_with_its_flash(tmp_path: Path):
    with open_link(f"sim:sng:{tmp_path / 'flash'}") as link:
        assert isinstance(link, SimSng)
    assert (tmp_path / "flash").exists()
    with pytest.raises(DeviceError, match="sim:sng with 1 lane"):
        open_link("sim:sng", 8)


def test_weights_are_sealed_with_one_key():
    association = {"an": 0, "suite": "GCM-AES-256", "key": bytes(32).hex()}
    two = [{"sci": f"02:00:00:00:00:09/{number}", "association": [association]} for number in (1, 2)]
    with pytest.raises(UsageError, match="weights are sealed with one key: there are 2 under receive"):
        weights_sealer(Keys.model_validate({"receive": two}))
