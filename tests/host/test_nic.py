# SPDX-License-Identifier: Apache-2.0
"""A device with control: what it says it is, the state it is in, and what is made of a firmware's answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cbor2
import pytest

from custodes.control_registers import MAILBOX_BYTES, Mailbox, Noise
from custodes.deterministic import decode, encode
from custodes.errors import DeviceError, RefusedError
from custodes.firmware import Firmware
from custodes.lifecycle import Alarm, Lifecycle
from custodes.mailbox import MAX_PIECE_BYTES, Item, Request, SelfTest, Status
from custodes.maps import NIC
from custodes.nic import MEANINGS, FirmwareError, Nic, is_nic
from tests.host.fake import FakeLink
from tests.host.fake_nic import BUILD_ID, ROM_DIGEST, VERSION, FakeNic, Flash, encoded
from tests.host.fake_processor import FakeProcessor


def test_says_what_it_is() -> None:
    nic = Nic(FakeNic())
    assert (nic.map_digest, nic.build_id, nic.rom_digest) == (NIC.digest, BUILD_ID, ROM_DIGEST)
    assert (nic.lifecycle, nic.alarms, nic.mailbox) == (Lifecycle.BLANK, (), Mailbox.IDLE)
    assert (nic.noise, nic.noise_failures, nic.clock_hz) == (Noise.READY, (1, 3), 62_500_000)
    assert is_nic(FakeNic()) and not is_nic(FakeProcessor()) and not is_nic(FakeLink())


@pytest.mark.parametrize(
    ("registers", "message"),
    [
        ({register.name: 0xFFFF_FFFF for block in NIC.blocks for register in block.registers}, "reads all ones"),
        ({"CONTROL_IDENTITY": 0}, "has no control: it reads 0x00000000"),
        ({"MAP_DIGEST": 7}, "another register map than this host: 0700000007000000"),
    ],
)
def test_what_is_no_such_device_is_said(registers: dict[str, int], message: str) -> None:
    with pytest.raises(DeviceError, match=message):
        Nic(FakeNic(registers=registers))


@pytest.mark.parametrize("register", ["LIFECYCLE", "NOISE_STATUS", "MAILBOX_STATUS"])
def test_states_that_do_not_exist_are_said(register: str) -> None:
    nic = Nic(FakeNic(registers={register: 0x3F}))
    with pytest.raises(DeviceError, match=register):
        _ = nic.lifecycle, nic.noise, nic.mailbox


def test_waits_for_the_firmware_to_boot() -> None:
    link = FakeNic()
    nic = Nic(link, patience_s=0.05)
    link.lifecycle = Lifecycle.BOOT
    with pytest.raises(DeviceError, match=r"firmware does not start: the device stays in its boot \(0\.05 s\)"):
        nic.booted()
    assert link.waited > 0
    link.lifecycle = Lifecycle.OPERATIONAL
    assert nic.booted() is Lifecycle.OPERATIONAL


def test_asks_and_waits_for_the_answer() -> None:
    asked: list[Request] = []
    link = FakeNic(busy_reads=5)
    info = Firmware(Nic(link, waiting=asked.append)).info()
    assert info == (VERSION, Lifecycle.BLANK, False, frozenset(), frozenset())
    assert asked == [Request.INFO] * 5 and link.waited > 0


def test_a_firmware_that_never_answers_is_given_up() -> None:
    nic = Nic(FakeNic(busy_reads=1 << 60), patience_s=0.05)
    with pytest.raises(DeviceError, match="does not answer to info"):
        nic.request(Request.INFO)


def test_what_an_interrupted_host_asked_is_waited_for_and_dropped() -> None:
    link = FakeNic(busy_reads=20)
    link.write(NIC.address("REQUEST"), int.from_bytes(encode([Request.LOG, 0]).ljust(4, b"\0"), "little"))
    link.write(NIC.address("MAILBOX_SEND"), 3)
    assert Firmware(Nic(link)).info().version == VERSION
    assert link.requests == [Request.LOG, Request.INFO]


def test_a_tampered_device_is_not_waited_for() -> None:
    link = FakeNic(busy_reads=1 << 60)
    nic = Nic(link)
    nic.zeroise()
    with pytest.raises(DeviceError, match=r"zeroised everything.*the host asked for it"):
        nic.request(Request.INFO)
    assert nic.alarms == (Alarm.COMMAND,)
    link.alarm(Alarm.WATCHDOG)
    with pytest.raises(DeviceError, match="the host asked for it, firmware did not come back in time"):
        nic.request(Request.INFO)


def test_a_reset_while_asking_is_said() -> None:
    nic = Nic(FakeNic(registers={"MAILBOX_STATUS": Mailbox.IDLE}))
    with pytest.raises(DeviceError, match="has forgotten what it was asked: it was reset"):
        nic.request(Request.INFO)


def test_a_reply_longer_than_the_mailbox_is_said() -> None:
    nic = Nic(FakeNic(registers={"MAILBOX_STATUS": Mailbox.DONE | MAILBOX_BYTES + 1 << 16}))
    with pytest.raises(DeviceError, match="answers with 1025 bytes"):
        nic.request(Request.INFO)


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.OK])
def test_every_status_is_one_clear_line(status: Status) -> None:
    nic = Nic(FakeNic(spoil=lambda reply: encode([status])))
    with pytest.raises(FirmwareError, match=f"^the device does not lock: {MEANINGS[status]}$") as caught:
        nic.request(Request.LOCK, bytes(32))
    assert (caught.value.request, caught.value.status) == (Request.LOCK, status)
    assert "\n" not in MEANINGS[status]


NONSENSE = [
    b"",
    b"\xff",
    b"\x80",
    b"\x9f\x00\xff",
    b"\x00",
    b"\x81\x18\x63",
    b"\x81\x18\x00",
    b"\x81\x61a",
    b"\x81\xf4",
    b"\x82\x01\x00",
    b"\x81\x00\x00",
    b"\xd8\x40\x81\x00",
    bytes(1024),
    b"\xbf" * 200,
    b"\x81" * 1024,
]


@pytest.mark.parametrize("reply", NONSENSE)
def test_nonsense_from_the_firmware_is_said(reply: bytes) -> None:
    nic = Nic(FakeNic(spoil=lambda honest: reply))
    with pytest.raises(DeviceError, match="answers nonsense to log"):
        nic.request(Request.LOG, 0)


def shortened(reply: bytes) -> bytes:
    return encoded(cbor2.loads(reply)[:-1])


def lengthened(reply: bytes) -> bytes:
    return encoded([*cbor2.loads(reply), 0])


def retyped(reply: bytes) -> bytes:
    status, *results = cbor2.loads(reply)
    return encoded([status, *(None for _ in results)])


ASKED: list[Callable[[Firmware], Any]] = [
    Firmware.info,
    Firmware.identify,
    lambda firmware: firmware.kept(Item.POLICY),
    Firmware.log,
    lambda firmware: firmware.selftest([SelfTest.ROM]),
]


@pytest.mark.parametrize("ask", ASKED)
@pytest.mark.parametrize("spoil", [shortened, lengthened, retyped])
def test_results_of_another_form_are_said(ask: Callable[[Firmware], Any], spoil: Callable[[bytes], bytes]) -> None:
    firmware = Firmware(Nic(FakeNic(Flash({Item.POLICY: b"\x80"}), spoil=spoil)))
    with pytest.raises(DeviceError, match=r"answers to .* what no such request has"):
        ask(firmware)


def test_a_request_that_is_too_long_is_not_sent() -> None:
    link = FakeNic()
    with pytest.raises(ValueError, match="the mailbox takes 1024"):
        Nic(link).request(Request.STORE, Item.POLICY, 0, bytes(1024))
    assert link.requests == []


@pytest.mark.parametrize("size", [1, MAX_PIECE_BYTES - 1, MAX_PIECE_BYTES, MAX_PIECE_BYTES + 1, 3000])
def test_items_arrive_whole(size: int) -> None:
    link = FakeNic()
    data = encoded(bytes(size))
    sent: list[int] = []
    Firmware(Nic(link)).store(Item.WHITELIST, data, sent.append)
    assert link.flash.items == {Item.WHITELIST: data}
    assert sent[-1] == len(data) and sent == sorted(sent)


def test_an_item_that_reads_back_differently_is_said() -> None:
    def other(reply: bytes) -> bytes:
        status, *results = cbor2.loads(reply)
        return encoded([status, results[0], bytes(32)]) if len(results) == 2 else reply

    with pytest.raises(DeviceError, match="policy reads back differently"):
        Firmware(Nic(FakeNic(spoil=other))).store(Item.POLICY, b"\x80")


def test_proves_who_it_is() -> None:
    firmware = Firmware(Nic(FakeNic(secret=b"one")))
    one = firmware.identify()
    assert (one.lifecycle, one.provisioning_digest) == (Lifecycle.BLANK, bytes(32))
    assert one == firmware.identify() == firmware.identify(bytes(32))
    other = Firmware(Nic(FakeNic(secret=b"other"))).identify()
    assert one.identity_key != other.identity_key


@pytest.mark.parametrize("result", [1, 2, 3])
def test_a_wrong_proof_is_said(result: int) -> None:
    def flipped(reply: bytes) -> bytes:
        answer = cbor2.loads(reply)
        if len(answer) == 4:
            answer[result] = bytes([answer[result][0] ^ 1]) + answer[result][1:]
        return encoded(answer)

    with pytest.raises(DeviceError, match="does not prove who it is"):
        Firmware(Nic(FakeNic(spoil=flipped))).identify()


@pytest.mark.parametrize("register", ["BUILD_ID", "ROM_DIGEST"])
def test_a_proof_is_for_the_design_that_the_registers_name(register: str) -> None:
    with pytest.raises(DeviceError, match="does not prove who it is"):
        Firmware(Nic(FakeNic(registers={register: 5}))).identify()


def test_a_refused_register_stays_a_refusal() -> None:
    nic = Nic(FakeNic(Flash(lifecycle=Lifecycle.PROVISIONED)))
    with pytest.raises(RefusedError):
        nic.registers.write("KEY", 0)


@pytest.mark.parametrize("value", [0, -1, 1 << 40, b"abc", "text", None, True, [1, [2, b""]], {1: -8, 4: b"\0"}])
def test_deterministic_encoding_comes_back(value: object) -> None:
    assert decode(encode(value)) == value


@pytest.mark.parametrize(
    "data", [b"", b"\x18\x00", b"\x00\x00", b"\x5f\xff", b"\xa2\x04\x00\x01\x00", b"\xa2\x01\x00\x01\x00"]
)
def test_what_is_not_deterministic_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="CBOR"):
        decode(data)
