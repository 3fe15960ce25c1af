# SPDX-License-Identifier: Apache-2.0
"""The simulated processor with its control: CPU, memories, flash, noise source, and what the host may do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from custodes.control_registers import CONTROL_IDENTITY_VALUE, ZEROISE_VALUE, Mailbox, Noise
from custodes.errors import DeviceError, RefusedError
from custodes.lifecycle import Alarm, Lifecycle
from custodes.link import Ingress, open_link
from custodes.macsec import Sealing, Side
from custodes.maps import FIRMWARE, NIC
from custodes.processor import Processor
from custodes.simnic import FLASH_BYTES, SimNic
from gateware.hash.sha256 import INITIAL
from sim.nic import SECRET
from tests import monitor as firmware
from tests.host.fake_processor import keys, plain
from tests.monitor import BUILD_ID, Does, Monitor, image

ROM, RAM, OWN, MAP = 0x0000_0000, 0x1000_0000, 0x2000_0000, 0x3000_0000
ROM_BYTES, RAM_BYTES = 32 << 10, 16 << 10
BOOT_CYCLES = 20_000
FLASH_AT = (1 << 24) - FLASH_BYTES
"""Where the part of the flash begins that outlives the device."""


@pytest.fixture(scope="module")
def library() -> Path:
    return firmware.library()


@pytest.fixture
def device(library: Path) -> Iterator[Monitor]:
    with Monitor(library) as monitor:
        monitor.link.step_control(BOOT_CYCLES)
        yield monitor


def own(name: str, index: int = 0) -> int:
    """The byte address of a register of the firmware."""
    return OWN + 4 * FIRMWARE.address(name, index)


def state(device: Monitor) -> Lifecycle:
    return Lifecycle(device.read("LIFECYCLE"))


def signed(value: int) -> int:
    return value - (1 << 32) if value >> 31 else value


def test_says_who_it_is(device: Monitor):
    def digest(name: str) -> bytes:
        return b"".join(device.read(name, index).to_bytes(4, "little") for index in range(8))

    assert device.read("CONTROL_IDENTITY") == CONTROL_IDENTITY_VALUE
    assert digest("MAP_DIGEST") == NIC.digest
    assert digest("BUILD_ID") == BUILD_ID
    assert digest("ROM_DIGEST") == firmware.hashlib.sha256(image()).digest()
    assert state(device) == Lifecycle.BLANK


def test_the_cpu_calculates(device: Monitor):
    mask = 0xFFFF_FFFF
    for a, b in ((0x8765_4321, 0xF234_5673), (7, 31), (mask, mask), (0x8000_0000, 1), (0, 0x8000_0000)):
        shift, x, y = b & 31, signed(a), signed(b)
        wanted = [a + b, a - b, a * b, a * b >> 32, x * y >> 32, a << shift, a >> shift, x >> shift, a < b, x < y]
        assert device.ask(Does.ARITHMETIC, a, b) == [int(value) & mask for value in wanted]


def test_the_cpu_sees_its_rom(device: Monitor):
    words = image().ljust(ROM_BYTES, b"\0")
    for at in (0, 4, len(image()) // 4 * 4, ROM_BYTES - 4):
        assert device.ask(Does.READ, ROM + at) == [int.from_bytes(words[at : at + 4], "little")]


def test_the_cpu_writes_parts_of_words_in_its_ram(device: Monitor):
    at = RAM + 0x800
    device.ask(Does.WRITE, at, 0x4433_2211)
    assert [device.ask(Does.READ_BYTE, at + byte) for byte in range(4)] == [[0x11], [0x22], [0x33], [0x44]]
    device.ask(Does.WRITE_BYTE, at + 2, 0xAA)
    device.ask(Does.WRITE_HALF, at, 0xBBCC)
    assert device.ask(Does.READ, at) == [0x44AA_BBCC]
    assert device.ask(Does.READ_HALF, at + 2) == [0x44AA]


TRAPS = {
    "writes its ROM": (Does.WRITE, ROM + 0x4000, 1),
    "writes a byte of its ROM": (Does.WRITE_BYTE, ROM, 1),
    "executes RAM": (Does.CALL, RAM + 0x800),
    "executes a register": (Does.CALL, own("FIRMWARE_REQUEST")),
    "executes what is no instruction": (Does.CALL, ROM + ROM_BYTES - 64),
    "reads beyond its ROM": (Does.READ, ROM + ROM_BYTES),
    "reads beyond its RAM": (Does.READ, RAM + RAM_BYTES),
    "writes beyond its RAM": (Does.WRITE, RAM + RAM_BYTES, 1),
    "reads where there is nothing": (Does.READ, 0x8000_0000),
    "reads a register that it does not have": (Does.READ, own("SPI_DATA") + 4),
    "reads a register that is only written": (Does.READ, own("SHA_WORD")),
    "writes a register that is only read": (Does.WRITE, own("SHA_STATUS"), 1),
    "writes part of a register": (Does.WRITE_BYTE, own("SPI_SELECT"), 1),
    "reads a register that the host does not have": (Does.READ, MAP + 4 * 0x1FFF),
    "reads between the registers of the datapath": (Does.READ, MAP + 4 * 0x7FF),
    "reads what is not aligned": (Does.READ, RAM + 2),
}


@pytest.mark.parametrize("what", TRAPS)
def test_the_device_ends_where_its_cpu(device: Monitor, what: str):
    device.send(*TRAPS[what])
    device.link.step_control(2_000)
    assert state(device) == Lifecycle.TAMPERED
    assert device.read("ALARMS") == 1 << Alarm.TRAP
    assert device.turn == Mailbox.BUSY
    device.link.reset()
    device.link.step_control(BOOT_CYCLES)
    assert (state(device), device.read("ALARMS")) == (Lifecycle.BLANK, 0)
    assert device.ask(Does.ECHO, 1, 2) == [Does.ECHO, 1, 2]


def test_ram_is_empty_after_a_reset(device: Monitor):
    first, last = RAM + 0x400, RAM + RAM_BYTES - 0x400
    for at in range(first, last, 0x100):
        device.ask(Does.WRITE, at, 0xFFFF_FFFF)
    words = (last - first) // 4
    assert device.ask(Does.ZEROS, first, last) == [words - (last - first) // 0x100]
    device.link.reset()
    device.link.step_control(BOOT_CYCLES)
    assert device.ask(Does.ZEROS, first, last) == [words]


def test_what_the_host_writes_in_the_turn_of_the_firmware_is_lost(device: Monitor):
    for index, word in enumerate((Does.SPIN, 2_000, 3)):
        device.write("REQUEST", word, index)
    device.write("MAILBOX_SEND", 12)
    assert device.turn == Mailbox.BUSY
    device.write("REQUEST", 0xFFFF_FFFF, 2)
    device.write("MAILBOX_SEND", 4)
    device.link.step_control(50_000)
    assert device.turn == Mailbox.DONE
    assert device.ask(Does.READ, own("FIRMWARE_REQUEST", 2)) == [3]


def test_the_device_secret_cannot_be_read_any_more(device: Monitor):
    words = [device.ask(Does.READ, own("SECRET", index)) for index in range(8)]
    assert words == [[0]] * 8
    assert any(SECRET)


def test_the_host_is_refused_what_is_not_in_the_map(device: Monitor):
    for address in (0x1FFF, NIC.address("CONTROL_IDENTITY") + 0x7F, 0x7FF):
        with pytest.raises(RefusedError, match="refuses to read"):
            device.link.read(address)
        with pytest.raises(RefusedError, match="refuses to write"):
            device.link.write(address, 1)
    with pytest.raises(RefusedError):
        device.write("CONTROL_IDENTITY", 1)
    with pytest.raises(RefusedError):
        device.read("ZEROISE")
    assert device.read("CONTROL_IDENTITY") == CONTROL_IDENTITY_VALUE


def test_host_and_firmware_reach_the_datapath_at_once(device: Monitor):
    identity = NIC.address("IDENTITY")
    wanted = device.link.read(identity)
    device.send(Does.READ, MAP + 4 * identity)
    assert [device.link.read(identity) for _ in range(20)] == [wanted] * 20
    device.link.step_control(2_000)
    assert device.read("REPLY") == wanted


def test_seals_with_raw_keys_while_blank_and_forgets_them_afterwards(device: Monitor):
    processor = Processor(device.link)
    processor.load(keys())
    frame = Ingress(Side.ACCELERATOR, plain())
    (outcome,) = device.link.exchange([frame])
    assert outcome.reason is Sealing.OUT_PKTS_ENCRYPTED
    device.ask(Does.WRITE, own("STATE"), Lifecycle.PROVISIONED)
    assert state(device) == Lifecycle.PROVISIONED
    assert [processor.in_use(side) for side in Side] == [0, 0]
    (outcome,) = device.link.exchange([frame])
    assert (outcome.frame, outcome.reason) == (None, Sealing.OUT_PKTS_NO_PEER)
    with pytest.raises(RefusedError):
        processor.load(keys())


def test_a_host_can_end_it(device: Monitor):
    device.write("ZEROISE", ZEROISE_VALUE + 1)
    assert state(device) == Lifecycle.BLANK
    device.write("ZEROISE", ZEROISE_VALUE)
    assert (state(device), device.read("ALARMS")) == (Lifecycle.TAMPERED, 1 << Alarm.COMMAND)


def test_a_stuck_noise_source_stops_random_numbers(device: Monitor):
    device.link.step_control(100_000)
    assert device.read("NOISE_STATUS") & 3 == Noise.READY
    words = {device.ask(Does.READ, own("RANDOM"))[0] for _ in range(8)}
    assert len(words) == 8
    device.link.noise(stuck=1)
    device.link.step_control(50_000)
    assert device.read("NOISE_STATUS") & 3 == Noise.ALARM
    assert device.read("NOISE_FAILURES") != 0
    assert device.ask(Does.READ, own("RANDOM_STATUS")) == [2]
    assert device.ask(Does.READ, own("RANDOM")) == [0]
    assert (state(device), device.read("ALARMS")) == (Lifecycle.BLANK, 1 << Alarm.NOISE)


def test_the_engine_knows_the_digest_of_abc(device: Monitor):
    device.ask(Does.WRITE, own("SHA_COMMAND"), 1)
    for word in (0x6162_6380, *[0] * 14, 24):
        device.ask(Does.WRITE, own("SHA_WORD"), word)
    state = [device.ask(Does.READ, own("SHA_STATE", index))[0] for index in range(8)]
    assert b"".join(word.to_bytes(4) for word in state) == firmware.hashlib.sha256(b"abc").digest()
    device.ask(Does.WRITE, own("SHA_COMMAND"), 2)
    # Nothing is left of it: the state is the one with which every message begins (FIPS 180-4, 5.3.3).
    assert [device.ask(Does.READ, own("SHA_STATE", index)) for index in range(8)] == [[word] for word in INITIAL]


class Spi:
    """The flash, byte by byte, through the registers of the firmware."""

    def __init__(self, device: Monitor) -> None:
        self.device = device

    def command(self, *sent: int, answer: int = 0) -> bytes:
        ask = self.device.ask
        ask(Does.WRITE, own("SPI_SELECT"), 1)
        came = []
        for byte in (*sent, *[0] * answer):
            ask(Does.WRITE, own("SPI_DATA"), byte)
            came += ask(Does.READ, own("SPI_DATA"))
        ask(Does.WRITE, own("SPI_SELECT"), 0)
        assert max(came) < 256, "still sending"
        return bytes(came[len(sent) :])

    def at(self, command: int, address: int, *sent: int, answer: int = 0) -> bytes:
        return self.command(command, *address.to_bytes(3), *sent, answer=answer)

    @property
    def status(self) -> int:
        return self.command(0x05, answer=1)[0]

    def finish(self) -> int:
        """Returns how often it was still busy."""
        looks = 0
        while self.status & 1:
            looks += 1
        return looks


def test_the_flash_says_what_it_is(device: Monitor):
    assert Spi(device).command(0x9F, answer=3) == bytes((0xEF, 0x40, 0x18))


def test_bits_of_the_flash_fall_when_programmed_and_rise_when_erased(device: Monitor):
    spi = Spi(device)
    at = FLASH_AT + 0x10FE
    assert spi.at(0x03, at, answer=2) == b"\xff\xff"
    spi.at(0x02, at, 0x12)
    assert spi.at(0x03, at, answer=1) == b"\xff", "it was not enabled"
    for byte in (0x3C, 0xF1):
        spi.command(0x06)
        assert spi.status & 2
        spi.at(0x02, at, byte, 0x77, 0x66)
        spi.finish()
        assert not spi.status & 2
    assert spi.at(0x03, at, answer=3) == bytes((0x3C & 0xF1, 0x77, 0xFF)), "a page ends at its end"
    assert spi.at(0x03, at - 0xFE, answer=1) == b"\x66", "and begins again"
    spi.command(0x06)
    spi.at(0x20, at)
    assert spi.finish() > 0
    assert spi.at(0x03, at, answer=2) == b"\xff\xff"


def test_a_power_cut_leaves_a_page_half_programmed(device: Monitor):
    spi = Spi(device)
    spi.command(0x06)
    spi.at(0x02, FLASH_AT, *[0] * 64)
    device.link.reset()
    page = device.link.flash[:64]
    assert 0 < page.count(0) < 64
    assert page == page.count(0) * b"\0" + page.count(0xFF) * b"\xff"


def test_the_flash_outlives_the_device(library: Path, tmp_path: Path):
    path = tmp_path / "flash"
    for run in range(2):
        with SimNic(path, library=library) as link:
            assert link.flash[0] == (0xFF if run == 0 else 0x5A)
            link.flash = b"\x5a" * FLASH_BYTES
    assert path.read_bytes() == b"\x5a" * FLASH_BYTES
    assert [found.name for found in tmp_path.iterdir()] == ["flash"]


def test_a_file_that_is_no_flash_is_one_line(library: Path, tmp_path: Path):
    path = tmp_path / "flash"
    path.write_bytes(b"short")
    with pytest.raises(DeviceError, match="no image of a flash: 5 bytes"):
        SimNic(path, library=library)
    assert path.read_bytes() == b"short"
    with pytest.raises(DeviceError, match="cannot read the flash"):
        SimNic(tmp_path, library=library)
    link = SimNic(tmp_path / "nowhere" / "flash", library=library)
    with pytest.raises(DeviceError, match="cannot write the flash"):
        link.close()


def test_bytes_come_and_go_at_the_uart(device: Monitor):
    link = device.link
    link.uart_bit(device.read("UART_DIVISOR"))
    link.uart_send(b"\x00\xff\x55")
    assert link.uart_unsent == 3
    link.step_control(40 * device.read("UART_DIVISOR"))
    assert link.uart_unsent == 0
    assert link.uart_receive() == b"", "this is no frame"


def test_it_has_one_lane():
    with pytest.raises(DeviceError, match="sim:nic with 1 lane"):
        open_link("sim:nic", 8)
