# SPDX-License-Identifier: Apache-2.0
"""Whatever ends the device, in time nothing leaves any more and no key is left: all of it, with firmware for tests."""

from collections.abc import Callable, Iterator
from random import Random

import pytest

from custodes.control_registers import ZEROISE_VALUE
from custodes.errors import RefusedError
from custodes.keys import Keys
from custodes.lifecycle import Alarm, Lifecycle
from custodes.macsec import ASSOCIATIONS, Side, Suite
from custodes.maps import FIRMWARE, NIC
from custodes.processor_registers import KEY, STATUS, STATUS_BUSY, STATUS_TAMPERED
from gateware.control.lifecycle import TAMPER_CYCLES
from gateware.session.loader import KeyLoader
from gateware.session.rate import Rate
from tests.compare_session import SessionPair
from tests.gateware.session.bench import OWN, PEER, Bench, Sak, Station, plain, to_open, to_seal
from tests.monitor import Does, Monitor, library

CROSSING_CYCLES = 2
SESSION_CYCLES = 2
DATAPATH_CYCLES_PER_CONTROL = 2
STOPS_CYCLES = DATAPATH_CYCLES_PER_CONTROL * TAMPER_CYCLES + CROSSING_CYCLES + SESSION_CYCLES
"""From the tamper pin until nothing leaves, in cycles of the datapath."""
BOOT_CYCLES = 20_000
FIRMWARE_BASE = 0x2000_0000


class NicBench(Bench):
    """As `Bench`, through the control of a whole device, which boots into the state blank."""

    def __init__(self, monitor: Monitor) -> None:
        self.monitor = monitor
        monitor.link.tamper(False)
        monitor.link.reset()
        monitor.link.step_control(BOOT_CYCLES)
        SessionPair.__init__(self, Keys(), 1, monitor.link)

    def reset(self) -> None:
        super().reset()
        self.monitor.link.step_control(BOOT_CYCLES)
        assert self.state == Lifecycle.BLANK

    @property
    def state(self) -> int:
        return self.monitor.read("LIFECYCLE")

    @property
    def alarms(self) -> int:
        return self.monitor.read("ALARMS")

    def firmware_writes(self, name: str, value: int) -> None:
        """Hand the write to the firmware, and do not wait."""
        self.monitor.send(Does.WRITE, FIRMWARE_BASE + 4 * FIRMWARE.address(name), value)
        self.monitor.link.step_control(2_000)


@pytest.fixture(scope="module")
def monitor() -> Iterator[Monitor]:
    with Monitor(library()) as running:
        yield running


@pytest.fixture
def bench(monitor: Monitor) -> NicBench:
    bench = NicBench(monitor)
    bench.reset()
    return bench


def sessions(bench: Bench, random: Random) -> Station:
    bench.transmit(Sak.random(Suite.GCM_AES_XPN_256, random), an=1)
    return bench.receive(Sak.random(Suite.GCM_AES_256, random), an=3)


def pull_pin(bench: NicBench) -> None:
    bench.link.tamper(True)
    bench.link.step(STOPS_CYCLES)
    bench.link.tamper(False)


CAUSES: dict[str, tuple[Callable[[NicBench], None], Alarm | None]] = {
    "pin": (pull_pin, Alarm.TAMPER),
    "host": (lambda bench: bench.monitor.write("ZEROISE", ZEROISE_VALUE), Alarm.COMMAND),
    "firmware": (lambda bench: bench.firmware_writes("RAISE", 1), Alarm.FIRMWARE),
    "bricked": (lambda bench: bench.firmware_writes("STATE", Lifecycle.BRICKED), None),
}


@pytest.mark.parametrize("cause", CAUSES)
def test_every_end_stops_the_datapath_and_overwrites_its_keys_until_a_reset(bench: NicBench, cause: str):
    random = Random(1)
    peer = sessions(bench, random)
    bench.check(to_seal([plain(60, random)]) + to_open([peer.seal(plain(60, random, OWN, PEER))]))
    act, alarm = CAUSES[cause]
    act(bench)
    assert bench.state == (Lifecycle.BRICKED if alarm is None else Lifecycle.TAMPERED)
    assert bench.alarms == (0 if alarm is None else 1 << alarm)
    assert bench.idle() == STATUS_TAMPERED
    outcomes = bench.link.exchange(
        to_seal(plain(60, random) for _ in range(5))
        + to_open(peer.seal(plain(60, random, OWN, PEER)) for _ in range(5))
    )
    assert [outcome.frame for outcome in outcomes] == [None] * 10
    with pytest.raises(RefusedError):
        bench.link.write(KEY, 1)
    bench.reset()
    assert bench.link.read(STATUS) == 0


def test_keys_are_overwritten_in_time_after_the_pin(bench: NicBench):
    sessions(bench, Random(2))
    assert bench.link.read(STATUS) == 0
    bench.link.tamper(True)
    bench.link.step(STOPS_CYCLES)
    assert bench.link.read(STATUS) == STATUS_TAMPERED | STATUS_BUSY
    loader = KeyLoader(Rate(1), ASSOCIATIONS)
    loader._MustUse__used = True  # pyright: ignore[reportAttributeAccessIssue] (Amaranth warns of what is not elaborated)
    bench.link.step(ASSOCIATIONS * (loader.wipe_cycles + 8))
    assert bench.link.read(STATUS) == STATUS_TAMPERED


@pytest.mark.parametrize("cycles", [300, 431, 1003])
def test_no_frame_leaves_once_the_pin_has_been_seen(bench: NicBench, cycles: int):
    random = Random(cycles)
    peer = sessions(bench, random)
    bench.send(to_seal(plain(random.choice((60, 500)), random) for _ in range(30)))
    bench.send(to_open(peer.seal(plain(random.choice((60, 500)), random, OWN, PEER)) for _ in range(30)))
    bench.link.step(cycles)
    bench.link.tamper(True)
    bench.link.step(STOPS_CYCLES)
    for side in Side:
        list(bench.taken(side))
    bench.link.step(30_000)
    assert [outcome.frame for side in Side for outcome in bench.taken(side) if outcome.frame is not None] == []
    assert bench.state == Lifecycle.TAMPERED


def test_leaving_blank_takes_raw_keys_away_and_takes_no_others(bench: NicBench):
    random = Random(3)
    peer = sessions(bench, random)
    bench.firmware_writes("STATE", Lifecycle.PROVISIONED)
    assert bench.state == Lifecycle.PROVISIONED
    assert bench.idle() == 0
    outcomes = bench.link.exchange(to_seal([plain(60, random)]) + to_open([peer.seal(plain(60, random, OWN, PEER))]))
    assert [outcome.frame for outcome in outcomes] == [None] * 2
    for address in (KEY, NIC.address("COMMAND"), NIC.address("SALT"), NIC.address("NOISE_RAW")):
        with pytest.raises(RefusedError):
            bench.link.write(address, 0)
    assert bench.alarms == 0


@pytest.mark.parametrize("value", [0, 1, ZEROISE_VALUE ^ 1, 0xFFFF_FFFF])
def test_anything_but_the_command_zeroises_nothing(bench: NicBench, value: int):
    bench.monitor.write("ZEROISE", value)
    bench.monitor.link.step_control(10)
    assert (bench.state, bench.alarms) == (Lifecycle.BLANK, 0)
