# SPDX-License-Identifier: Apache-2.0
"""A processor says who it is, takes keys command by command, and counts by association."""

from __future__ import annotations

import itertools

import pytest

from custodes.errors import DeviceError
from custodes.keys import Keys
from custodes.link import Ingress
from custodes.macsec import ASSOCIATIONS, Opening, Sealing, Side, Suite
from custodes.processor import Processor
from custodes.processor_registers import (
    COUNTERS,
    STATUS,
    STATUS_BUSY,
    STATUS_TAMPERED,
    Command,
    association_register,
)
from custodes.registers import IDENTITY, LANES, VOCABULARY
from tests.host.fake_processor import MIRROR_TOML, OTHER, FakeProcessor, keys, plain


@pytest.mark.parametrize(
    ("registers", "message"),
    [
        ({IDENTITY: 0xFFFF_FFFF}, "reads all ones"),
        ({VOCABULARY: 0x1234}, "another version"),
        ({IDENTITY: 0x1234}, "no processor: its identity is 0x00001234, not 0x43555350"),
        ({LANES: 8}, "has 8 lanes, not 1"),
    ],
)
def test_refuses_a_device_that_is_another(registers: dict[int, int], message: str) -> None:
    with pytest.raises(DeviceError, match=message):
        Processor(FakeProcessor(registers=registers))


def test_loads_every_association_of_a_keys_file() -> None:
    link = FakeProcessor()
    Processor(link).load(keys())
    assert [(n, link.sealer.suite(n)) for n in range(ASSOCIATIONS) if link.sealer.suite(n)] == [(1, Suite.GCM_AES_256)]
    assert [(n, link.opener.pn(n)) for n in range(ASSOCIATIONS) if link.opener.suite(n)] == [(1, 1)]
    assert link.sealer.seal(plain()).association == 1, "the file selects AN 1"
    mirror = FakeProcessor()
    Processor(mirror).load(keys(MIRROR_TOML))
    assert mirror.opener.open(link.sealer.seal(plain()).frame or b"").frame == plain()


def test_loading_leaves_nothing_of_what_was_there() -> None:
    link = FakeProcessor()
    processor = Processor(link)
    processor.load(keys())
    assert [processor.in_use(side) for side in Side] == [1, 1]
    processor.load(Keys())
    assert [processor.in_use(side) for side in Side] == [0, 0]
    assert link.sealer.seal(plain()).reason is Sealing.OUT_PKTS_NO_PEER


@pytest.mark.parametrize("command", [Command.LOAD, Command.CHANNEL, Command.SELECT, Command.ZEROISE])
def test_says_which_command_is_refused(command: Command) -> None:
    with pytest.raises(DeviceError, match=f"the device refuses to {command.name.lower()}"):
        Processor(FakeProcessor(refuses=[command])).load(keys())


def test_gives_up_on_a_command_that_never_ends() -> None:
    with pytest.raises(DeviceError, match="does not finish a command"):
        Processor(FakeProcessor(registers={STATUS: STATUS_BUSY})).load(keys())


def test_a_device_that_was_tampered_with_takes_no_keys() -> None:
    processor = Processor(FakeProcessor(registers={STATUS: STATUS_TAMPERED}))
    assert processor.tampered
    with pytest.raises(DeviceError, match="tampered"):
        processor.load(keys())


def test_counts_by_association_over_the_end_of_a_counter() -> None:
    link = FakeProcessor()
    processor = Processor(link)
    processor.load(keys())
    before = processor.counters()
    link.exchange([Ingress(Side.ACCELERATOR, frame) for frame in (plain(60), plain(100), plain(60, OTHER))])
    link.exchange([Ingress(Side.NETWORK, plain())])
    rises = processor.counters().since(before)
    assert {key: count for key, count in rises.frames.items() if count} == {
        (Side.ACCELERATOR, 1, Sealing.OUT_PKTS_ENCRYPTED): 2,
        (Side.ACCELERATOR, 0, Sealing.OUT_PKTS_NO_PEER): 1,
        (Side.NETWORK, 0, Opening.IN_PKTS_NO_TAG): 1,
    }
    assert {key: count for key, count in rises.octets.items() if count} == {(Side.ACCELERATOR, 1): 48 + 88}
    assert len(rises.frames) == ASSOCIATIONS * (len(Sealing) + len(Opening))
    assert len(rises.octets) == 2 * ASSOCIATIONS


def test_waits_for_counters_to_come_to_rest() -> None:
    settling = association_register(COUNTERS, Side.NETWORK, 3)

    class Settling(FakeProcessor):
        readings = itertools.chain([1, 2, 3], itertools.repeat(4))

        def read(self, address: int) -> int:
            return next(self.readings) if address == settling else super().read(address)

    assert Processor(Settling()).counters().frames[Side.NETWORK, 3, Opening.IN_PKTS_OK] == 4
