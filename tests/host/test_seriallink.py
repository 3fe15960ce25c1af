# SPDX-License-Identifier: Apache-2.0
"""A device at a serial port: what is asked is answered, and whatever goes wrong is said in one line."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from custodes import commands
from custodes.errors import DeviceError, RefusedError
from custodes.link import Ingress, open_link
from custodes.macsec import Side
from custodes.maps import NIC
from custodes.serial_frames import MAX_WORDS, Operation, Reply, Status
from custodes.seriallink import SIMULATION, SerialLink
from tests.host.fake_serial import CLOCK_HZ, FakeSerialDevice

PATIENCE_S = 0.05
SCRATCH = NIC.address("SCRATCH")
Spoil = Callable[[bytes], bytes]


@pytest.fixture
def device() -> Iterator[FakeSerialDevice]:
    with FakeSerialDevice() as device:
        yield device


def opened(device: FakeSerialDevice, baud: int | None = None) -> SerialLink:
    return SerialLink(device.path if baud is None else f"{device.path}@{baud}", patience_s=PATIENCE_S)


def some(*spoilt: Spoil) -> Spoil:
    """The first answers are spoilt, those after them are not."""
    left = iter(spoilt)
    return lambda reply: next(left, whole)(reply)


def whole(reply: bytes) -> bytes:
    return reply


def lost(reply: bytes) -> bytes:
    return b""


def cut(reply: bytes) -> bytes:
    return reply[:7]


def flipped(reply: bytes) -> bytes:
    return reply[:5] + bytes([reply[5] ^ 0x10]) + reply[6:]


def noisy(reply: bytes) -> bytes:
    return random.Random(1).randbytes(30) + reply


def noise(reply: bytes) -> bytes:
    return random.Random(1).randbytes(300)


def test_reads_and_writes(device: FakeSerialDevice):
    with opened(device) as link:
        link.write(SCRATCH, 0x1234_5678)
        assert link.read(SCRATCH) == 0x1234_5678
        assert link.read(5) == 5
    assert device.writes == [(SCRATCH, 0x1234_5678)]


def test_long_rows_take_few_frames(device: FakeSerialDevice):
    values = list(range(100, 100 + 2 * MAX_WORDS + 1))
    with opened(device) as link:
        link.write_many(0x1400, values)
        assert link.read_many(0x1400, len(values)) == values
    assert [request.words for request in device.requests[1:]] == 2 * [MAX_WORDS, MAX_WORDS, 1]


def test_open_link_knows_serial_ports(device: FakeSerialDevice):
    with open_link(f"serial:{device.path}") as link:
        assert link.read(9) == 9


def test_goes_on_at_the_rate_asked_for_and_leaves_the_device_as_it_was(device: FakeSerialDevice):
    with opened(device, 3_000_000) as link:
        assert device.baud == device.host_baud == 3_000_000
        assert link.read(9) == 9
    assert device.writes == [(NIC.address("UART_DIVISOR"), round(CLOCK_HZ / baud)) for baud in (3_000_000, 115_200)]
    assert device.baud == 115_200
    with opened(device) as link:
        assert link.read(9) == 9


def test_comes_back_to_the_rate_when_the_device_has_fallen_back(device: FakeSerialDevice):
    with opened(device, 1_000_000) as link:
        del device.registers[NIC.address("UART_DIVISOR")]
        device.baud = 115_200
        link.write(SCRATCH, 1)
        assert device.baud == device.host_baud == 1_000_000
        assert link.read(SCRATCH) == 1
    assert [write for write in device.writes if write[0] == SCRATCH] == [(SCRATCH, 1)]


def test_opens_a_device_that_another_session_left_at_the_rate(device: FakeSerialDevice):
    device.baud = 3_000_000
    with opened(device, 3_000_000) as link:
        assert link.read(9) == 9


@pytest.mark.parametrize("spoil", [lost, cut, flipped, noisy, noise])
def test_a_spoilt_answer_is_asked_for_again_and_nothing_done_twice(device: FakeSerialDevice, spoil: Spoil):
    with opened(device) as link:
        device.spoil = some(spoil, spoil)
        link.write(SCRATCH, 7)
        device.spoil = some(spoil)
        assert link.read(SCRATCH) == 7
        device.spoil = whole
        assert link.read(9) == 9
    assert device.writes == [(SCRATCH, 7)]


def test_a_late_answer_is_not_taken_for_another(device: FakeSerialDevice):
    held: list[bytes] = []

    def late(reply: bytes) -> bytes:
        held.append(reply)
        return b"" if len(held) == 1 else b"".join(held)

    with opened(device) as link:
        device.spoil = late
        assert link.read(3) == 3
        device.spoil = lambda reply: held[0] + reply
        assert link.read(4) == 4


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lost, "nothing answers at 115200 baud: is the device powered"),
        (cut, "answers at 115200 baud break off"),
        (flipped, "cannot be understood"),
        (noise, "cannot be understood"),
        (lambda reply: b"\xff" * 40, "nothing but ones comes"),
        (lambda reply: b"\x00", "nothing but zeros comes"),
        (lambda reply: Reply(Operation.READ, Status.OK, 1, 2, 1, (3,)).encode(), "replies to something else"),
    ],
)
def test_what_is_no_answer_is_told_apart(device: FakeSerialDevice, spoil: Spoil, said: str):
    device.spoil = spoil
    with pytest.raises(DeviceError, match=said) as caught:
        opened(device)
    assert str(caught.value).startswith(f"{device.path}: ")
    device.spoil = whole
    with opened(device) as link:
        device.spoil = spoil
        with pytest.raises(DeviceError, match=said):
            link.write(SCRATCH, 1)
        with pytest.raises(DeviceError, match=said):
            link.read(1)
        device.spoil = whole
        assert link.read(SCRATCH) == 1
    assert device.writes == [(SCRATCH, 1)], "done, once, though nobody heard of it"


def test_an_echo_is_told_apart(device: FakeSerialDevice):
    device.spoil = lambda reply: device.requests[-1].encode()
    with pytest.raises(DeviceError, match="what is sent comes back"):
        opened(device)


def test_a_wrong_rate_is_told_apart(device: FakeSerialDevice):
    device.baud = 921_600
    with pytest.raises(DeviceError, match="cannot be understood: another rate"):
        opened(device)


def test_noise_without_end_is_given_up(device: FakeSerialDevice):
    babble = threading.Event()

    def babbling() -> None:
        while not babble.wait(0.01):
            device.send(random.randbytes(20))

    thread = threading.Thread(target=babbling)
    thread.start()
    try:
        device.spoil = lost
        with pytest.raises(DeviceError, match="cannot be understood"):
            opened(device)
    finally:
        babble.set()
        thread.join()


def test_unplugging_is_noticed(device: FakeSerialDevice):
    with opened(device) as link:
        device.unplug()
        time.sleep(0.1)
        for _ in range(2):
            with pytest.raises(DeviceError, match="the port is gone"):
                link.read(1)
        with pytest.raises(DeviceError, match="the port is gone"):
            link.write(1, 1)
    assert device.writes == []


def test_unplugging_while_an_answer_is_awaited_is_noticed(device: FakeSerialDevice):
    with opened(device) as link:
        device.spoil = lambda reply: (device.unplug(), reply[:5])[1]
        with pytest.raises(DeviceError, match="the port is gone"):
            link.read(1)


def test_a_reset_in_between_is_noticed(device: FakeSerialDevice):
    with opened(device) as link:
        link.write(SCRATCH, 1)
        device.reset()
        with pytest.raises(DeviceError, match="the device has been reset"):
            link.write(SCRATCH, 2)
    assert device.writes == [(SCRATCH, 1)]


@pytest.mark.parametrize("seed", [1, 2])
def test_over_a_bad_line_everything_is_done_once_and_in_order(device: FakeSerialDevice, seed: int):
    source = random.Random(seed)

    def bad(data: bytes) -> bytes:
        if source.random() < 0.7:
            return data
        at = source.randrange(len(data))
        return source.choice((lost(data), data[:at], data[:at] + source.randbytes(2) + data[at + 1 :]))

    with opened(device) as link:
        device.hears = device.spoil = bad
        tried, failed = list(range(12)), set[int]()
        for value in tried:
            try:
                link.write(SCRATCH, value)
                assert link.read(SCRATCH) == value
            except DeviceError:
                failed.add(value)
        device.hears = device.spoil = whole
    done = [value for _, value in device.writes]
    assert done == sorted(set(done)), "in order, none twice, none that was not meant"
    assert set(tried) - set(done) <= failed
    assert len(done) > len(tried) // 2


@pytest.mark.parametrize("baud", [None, 1_000_000])
def test_after_a_break_the_next_request_gets_through(device: FakeSerialDevice, baud: int | None):
    with opened(device, baud) as link:
        device.hears = lost
        with pytest.raises(DeviceError, match="nothing answers"):
            link.write(SCRATCH, 1)
        device.hears = whole
        link.write(SCRATCH, 2)
        device.reset()
        with pytest.raises(DeviceError, match="has been reset"):
            link.write(SCRATCH, 3)
        link.write(SCRATCH, 4)
    assert [value for address, value in device.writes if address == SCRATCH] == [2, 4]
    assert device.baud == 115_200


def test_a_refusal_says_which_register_and_in_which_state(device: FakeSerialDevice):
    raw = NIC.address("NOISE_RAW")
    device.refused = {raw, 0x1FFF}
    with opened(device) as link:
        with pytest.raises(RefusedError, match=r"refuses to read NOISE_RAW \(0x1032\): it is operational"):
            link.read_many(raw - 2, 5)
        with pytest.raises(RefusedError, match="refuses to write the register at 0x1fff"):
            link.write_many(0x1FFE, [1, 2])
        assert link.read(9) == 9
    assert device.writes == [(0x1FFE, 1)]


def test_a_rate_that_the_clock_does_not_give_is_not_tried(device: FakeSerialDevice):
    with pytest.raises(DeviceError, match="cannot make 40000000 baud of its clock"):
        opened(device, 40_000_000)
    assert device.writes == []


def test_frames_are_not_exchanged(device: FakeSerialDevice):
    with opened(device) as link, pytest.raises(DeviceError, match="no frames exchanged"):
        link.exchange([Ingress(Side.ACCELERATOR, bytes(64))])


def test_a_port_is_for_one_program(device: FakeSerialDevice):
    with opened(device), pytest.raises(DeviceError, match="another program uses this port"):
        opened(device)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("/dev/none", "/dev/none: no such device"),
        ("/dev/null", "this is no serial port"),
        ("", "try serial:/dev/ttyUSB0"),
        ("/dev/none@", "try serial:/dev/ttyUSB0"),
        ("/dev/none@fast", "try serial:/dev/ttyUSB0"),
        ("@115200", "try serial:/dev/ttyUSB0"),
    ],
)
def test_what_is_no_port_is_not_opened(name: str, said: str):
    with pytest.raises(DeviceError, match=said):
        open_link(f"serial:{name}")


def test_a_port_that_may_not_be_opened_is_told_apart(monkeypatch: pytest.MonkeyPatch, device: FakeSerialDevice):
    def denied(path: str, *arguments: object) -> int:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "open", denied)
    with pytest.raises(DeviceError, match="you may not open this port; its group is"):
        opened(device)


def test_a_waveform_cannot_be_had(tmp_path: Path):
    with pytest.raises(DeviceError, match="waveforms are of simulated devices only"):
        open_link("serial:/dev/none", 1, tmp_path / "wave.vcd")


def run(device: str) -> Result:
    return CliRunner().invoke(commands.app, ["reg", "read", "SCRATCH", "--device", device], prog_name="custodes")


def test_a_command_reads_a_register(device: FakeSerialDevice):
    device.registers[SCRATCH] = 0x1234_5678
    result = run(f"serial:{device.path}@3000000")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "0x12345678" in result.stdout


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lost, "nothing answers"),
        (cut, "break off"),
        (noise, "cannot be understood"),
        (lambda reply: b"\xff" * len(reply), "nothing but ones"),
    ],
)
def test_a_command_says_in_one_line_what_is_wrong(
    device: FakeSerialDevice, monkeypatch: pytest.MonkeyPatch, spoil: Spoil, said: str
):
    monkeypatch.setattr("custodes.seriallink.PATIENCE_S", PATIENCE_S / SIMULATION)
    device.spoil = spoil
    result = run(f"serial:{device.path}")
    assert (result.exit_code, result.stdout) == (5, "")
    assert result.stderr.startswith(f"custodes: {device.path}: ") and said in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_command_tells_a_device_that_reads_all_ones(device: FakeSerialDevice):
    device.registers = dict.fromkeys(range(0x2000), 0xFFFF_FFFF)
    result = run(f"serial:{device.path}")
    assert (result.exit_code, result.stdout) == (5, "")
    assert "reads all ones: it is not powered" in result.stderr
