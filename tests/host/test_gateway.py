# SPDX-License-Identifier: Apache-2.0
"""A gateway behind its link: what a host tells it, and what it says."""

import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from custodes.errors import CaptureError, DeviceError, KeysError
from custodes.gateway import Gateway, mac_words
from custodes.gateway_formats import ALWAYS, HEAD_BYTES, UPLOAD_BYTES, UPLOAD_HEAD_BYTES
from custodes.gateway_leg import GATEWAY, RECOMPUTER, SERVER, server_policy, session_keys
from custodes.gateway_registers import GATEWAY_BASE, GATEWAY_CHANNELS, Fault, GatewayPort, Mode
from custodes.link import Ingress
from custodes.maps import GATEWAY as GATEWAY_MAP
from custodes.recognition import map_of, recognised
from custodes.sample_tree import commitment
from custodes.upload import upload, upload_frames
from custodes.weights_manifest import Manifest
from tests.host.fake_gateway import FakeGateway
from tests.host.test_provision_commands import custodes

WEIGHTS = bytes(range(251)) * 40
MANIFEST = Manifest("small", 8 * len(WEIGHTS), hashlib.sha256(WEIGHTS).digest())


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "weights.bin"
    path.write_bytes(WEIGHTS)
    return path


def made(mangled: Callable[[bytes], bytes] = lambda frame: frame) -> tuple[Gateway, FakeGateway]:
    link = FakeGateway(server_policy(), session_keys()[0], mangled)
    return Gateway(link), link


def uploaded(weights: Path, gateway: Gateway, link: FakeGateway, manifest: Manifest = MANIFEST) -> list[int]:
    told: list[int] = []
    gateway.start(manifest.bits, manifest.sha256, SERVER)
    upload(gateway, manifest, weights, lambda frame: link.send(Ingress(GatewayPort.WORLD, frame)), told.append)
    return told


def test_frames_have_all_octets_and_all_are_full_but_the_last():
    frames = [*upload_frames(io.BytesIO(WEIGHTS), len(WEIGHTS))]
    assert b"".join(frame[UPLOAD_HEAD_BYTES:] for frame in frames) == WEIGHTS
    lengths = [int.from_bytes(frame[HEAD_BYTES : HEAD_BYTES + 2]) for frame in frames]
    assert {*lengths[:-1]} == {UPLOAD_BYTES} and sum(lengths) == len(WEIGHTS)


def test_more_channels_than_a_gateway_has_are_refused_before_anything_is_written():
    gateway, link = made()
    keys = session_keys()[0]
    written: list[int] = []
    link.write = lambda address, value: written.append(address)  # pyright: ignore[reportAttributeAccessIssue]
    for side in ("transmit", "receive"):
        channels = {side: keys.transmit * (GATEWAY_CHANNELS + 1)}
        with pytest.raises(KeysError, match=f"5 {side} channels; the device has 4"):
            gateway.load(keys.model_copy(update=channels))
    assert not written


def test_an_upload_ends_in_serving(weights: Path):
    gateway, link = made()
    told = uploaded(weights, gateway, link)
    assert gateway.mode is Mode.SERVING and link.power
    assert told[-1] == len(WEIGHTS) and told == sorted(told)
    sent = b"".join(frame[UPLOAD_HEAD_BYTES:] for frame in link.left(GatewayPort.SERVER))
    assert sent == WEIGHTS


def test_other_weights_take_the_power(weights: Path):
    gateway, link = made(lambda frame: frame[:-1] + bytes([frame[-1] ^ 1]))
    with pytest.raises(DeviceError, match="not those that were announced"):
        uploaded(weights, gateway, link)
    assert gateway.mode is Mode.OFF and not link.power and gateway.fault is Fault.DIGEST


def test_a_gateway_that_does_not_start_is_said():
    gateway, _ = made()
    with pytest.raises(DeviceError, match="none of whole octets"):
        gateway.start(12, bytes(32))


def test_weights_that_cannot_be_read_are_said(tmp_path: Path):
    gateway, link = made()
    with pytest.raises(CaptureError, match="No such file"):
        uploaded(tmp_path / "none", gateway, link)


def test_stopping_takes_the_power(weights: Path):
    gateway, link = made()
    uploaded(weights, gateway, link)
    gateway.stop()
    assert not link.power and gateway.fault is Fault.ORDERED


def test_an_epoch_is_committed_to_and_its_record_has_the_key(weights: Path):
    gateway, link = made()
    uploaded(weights, gateway, link)
    gateway.send_samples_to(RECOMPUTER, GATEWAY)
    keys = [bytes([number]) * 32 for number in (1, 2)]
    for key in keys:
        link.draw(key)
    assert [gateway.epoch(threshold) for threshold in (ALWAYS, 7)] == [1, 2]
    assert gateway.commitment == commitment(keys[1])
    record = gateway.record
    assert (record.epoch, record.pairs, record.kept, record.threshold, record.key) == (1, 0, 0, ALWAYS, keys[0])
    assert record.root == bytes(32) and set(record.events.values()) == {0}


def test_who_is_no_gateway_is_refused():
    class Other(FakeGateway):
        def read(self, address: int) -> int:
            return 7 if address == GATEWAY_BASE else super().read(address)

    with pytest.raises(DeviceError, match="no gateway"):
        Gateway(Other(server_policy(), session_keys()[0]))


def test_a_gateway_is_known_and_told_of(monkeypatch: pytest.MonkeyPatch, weights: Path):
    gateway, link = made()
    assert isinstance(recognised(link), Gateway) and map_of(gateway) is GATEWAY_MAP
    monkeypatch.setattr("custodes.device.open_link", lambda *_: link)
    assert "off: the gateway has had no power" in custodes("info", "--device", "sim:gateway").stdout
    uploaded(weights, gateway, link)
    found = json.loads(custodes("info", "--device", "sim:gateway", "--json").stdout)["gateway"]
    assert (found["mode"], found["power"]) == ("serving", "on")


def test_an_address_is_the_highest_octets_of_two_words():
    assert mac_words(bytes.fromhex("0123456789ab")) == [0x01234567, 0x89AB0000]
