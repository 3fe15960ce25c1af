# SPDX-License-Identifier: Apache-2.0
"""`gateware.control.lifecycle`: every step there is and none else; every alarm, and how long it takes."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from custodes.lifecycle import FATAL, TRANSITIONS, Alarm
from custodes.lifecycle import Lifecycle as State
from gateware.control.lifecycle import BRICK_CYCLES, RENEW_CYCLES, STATE_BITS, TAMPER_CYCLES, ZEROISE_CYCLES, Lifecycle
from gateware.control.secret import SECRET
from tests.gateware.control.flips import FlipBench

WATCHDOG_CYCLES = 64
WORDS = range(1, 9)
REACHED = [state for state in State if state is not State.TAMPERED]
"""States that firmware leads to."""
INPUTS = {
    Alarm.TAMPER: "tamper",
    Alarm.COMMAND: "command",
    Alarm.INTEGRITY: "integrity",
    Alarm.TRAP: "trap",
    Alarm.FIRMWARE: "firmware",
    Alarm.NOISE: "noise",
}


class Device:
    """A `Lifecycle` in a simulation."""

    def __init__(self, ctx: Any, dut: Lifecycle, bench: FlipBench) -> None:
        self.ctx = ctx
        self.dut = dut
        self.bench = bench

    @property
    def state(self) -> int:
        return self.ctx.get(self.dut.state)

    @property
    def zeroises(self) -> bool:
        return bool(self.ctx.get(self.dut.zeroise))

    @property
    def alarms(self) -> set[Alarm]:
        raised = self.ctx.get(self.dut.alarms)
        return {alarm for alarm in Alarm if raised >> alarm & 1}

    async def reset(self) -> None:
        self.ctx.set(self.bench.reset, 1)
        for _ in range(3):
            await self.ctx.tick()
        self.ctx.set(self.bench.reset, 0)

    async def ask(self, state: int) -> None:
        """The request; afterwards the state has changed, if it does."""
        self.ctx.set(self.dut.request, state)
        await self.pulse("request_valid")

    async def go(self, state: State) -> None:
        """From reset to a state."""
        await self.reset()
        if state is not State.BOOT:
            await self.ask(state)
        assert self.state == state

    async def pulse(self, name: str) -> None:
        self.ctx.set(getattr(self.dut, name), 1)
        await self.ctx.tick()
        self.ctx.set(getattr(self.dut, name), 0)

    async def cycles(self, count: int) -> None:
        for _ in range(count):
            await self.ctx.tick()


def run(test: Callable[[Device], Awaitable[None]]) -> None:
    dut = Lifecycle(WATCHDOG_CYCLES)
    bench = FlipBench(dut)

    async def testbench(ctx: Any) -> None:
        ctx.set(dut.secret, SECRET.const(list(WORDS)))
        await test(Device(ctx, dut, bench))

    bench.run(testbench)


def test_begins_in_boot_without_alarms():
    async def test(device: Device) -> None:
        assert (device.state, device.alarms, device.zeroises) == (State.BOOT, set(), False)

    run(test)


@pytest.mark.parametrize("here", REACHED)
def test_firmware_gets_what_it_asks_for_only_where_there_is_such_a_step(here: State):
    async def test(device: Device) -> None:
        for there in range(1 << STATE_BITS):
            await device.go(here)
            await device.ask(there)
            assert device.state == (there if there in TRANSITIONS[here] else here)
            await device.cycles(2)
            assert device.alarms == set()
            assert device.zeroises == (State.BRICKED in (here, there) and device.state == State.BRICKED)

    run(test)


@pytest.mark.parametrize("here", REACHED)
@pytest.mark.parametrize("alarm", INPUTS)
def test_an_alarm_of_one_cycle_zeroises_in_time_and_for_ever(alarm: Alarm, here: State):
    cycles = TAMPER_CYCLES if alarm is Alarm.TAMPER else ZEROISE_CYCLES

    async def test(device: Device) -> None:
        await device.go(here)
        await device.pulse(INPUTS[alarm])
        for _ in range(cycles - 1):
            assert (device.state, device.alarms) == (here, set())
            await device.ctx.tick()
        assert device.alarms == {alarm}
        if alarm is Alarm.NOISE:
            assert (device.state, device.zeroises) == (here, here is State.BRICKED)
            return
        assert (device.state, device.zeroises) == (State.TAMPERED, True)
        for there in range(1 << STATE_BITS):
            await device.ask(there)
            assert (device.state, device.zeroises) == (State.TAMPERED, True)
        await device.reset()
        assert (device.state, device.alarms, device.zeroises) == (State.BOOT, set(), False)

    run(test)


def test_every_alarm_that_is_fatal_is_tried():
    assert set(FATAL) == set(INPUTS) - {Alarm.NOISE} | {Alarm.WATCHDOG}
    assert set(INPUTS) | {Alarm.WATCHDOG} == set(Alarm)


def test_an_alarm_and_a_request_in_one_cycle_are_an_alarm():
    async def test(device: Device) -> None:
        await device.go(State.PROVISIONED)
        device.ctx.set(device.dut.trap, 1)
        await device.ask(State.OPERATIONAL)
        assert device.state == State.TAMPERED

    run(test)


@pytest.mark.parametrize("here", REACHED)
def test_every_cause_is_kept(here: State):
    async def test(device: Device) -> None:
        await device.go(here)
        for alarm, name in INPUTS.items():
            await device.pulse(name)
            await device.cycles(TAMPER_CYCLES)
            assert alarm in device.alarms
        assert device.alarms == set(INPUTS)

    run(test)


@pytest.mark.parametrize("here", [state for state in REACHED if state is not State.BRICKED])
def test_firmware_that_does_not_feed_the_watchdog_ends_the_device(here: State):
    async def test(device: Device) -> None:
        await device.go(here)
        for _ in range(3):
            await device.cycles(WATCHDOG_CYCLES // 2)
            await device.pulse("feed")
        await device.cycles(WATCHDOG_CYCLES)
        assert (device.state, device.zeroises) == (here, False)
        await device.cycles(ZEROISE_CYCLES)
        assert (device.state, device.alarms, device.zeroises) == (State.TAMPERED, {Alarm.WATCHDOG}, True)

    run(test)


@pytest.mark.parametrize("ended", [State.BRICKED, State.TAMPERED])
def test_watchdog_raises_no_alarm_once_the_device_has_ended(ended: State):
    async def test(device: Device) -> None:
        await device.go(State.BRICKED)
        if ended is State.TAMPERED:
            await device.pulse("command")
        before = device.alarms
        await device.cycles(2 * WATCHDOG_CYCLES)
        assert (device.state, device.alarms, device.zeroises) == (ended, before, True)

    run(test)


def test_bricking_zeroises_in_time():
    async def test(device: Device) -> None:
        await device.go(State.OPERATIONAL)
        assert not device.zeroises
        await device.ask(State.BRICKED)
        for _ in range(BRICK_CYCLES):
            assert not device.zeroises
            await device.ctx.tick()
        assert device.zeroises
        await device.cycles(100)
        assert (device.state, device.zeroises) == (State.BRICKED, True)

    run(test)


@pytest.mark.parametrize("here", REACHED)
@pytest.mark.parametrize("there", REACHED)
def test_what_was_loaded_while_blank_is_taken_away(here: State, there: State):
    async def test(device: Device) -> None:
        await device.go(here)
        await device.cycles(2)
        await device.ask(there)
        renewed = []
        for _ in range(RENEW_CYCLES + 8):
            renewed.append(device.ctx.get(device.dut.renew))
            await device.ctx.tick()
        leaves = here is State.BLANK and there in TRANSITIONS[here]
        assert renewed == ([0] + [1] * RENEW_CYCLES + [0] * 7 if leaves else [0] * len(renewed))

    run(test)


@pytest.mark.parametrize("there", TRANSITIONS[State.BOOT])
def test_secret_reads_in_boot_only(there: State):
    async def test(device: Device) -> None:
        async def read(index: int) -> int:
            device.ctx.set(device.dut.secret_index, index)
            device.ctx.set(device.dut.secret_read, 1)
            word = device.ctx.get(device.dut.secret_word)
            await device.ctx.tick()
            device.ctx.set(device.dut.secret_read, 0)
            return word

        await device.go(State.BOOT)
        assert await read(0) == WORDS[0]
        await device.ask(there)
        assert [await read(index) for index in range(8)] == [0] * 8
        await device.go(State.BOOT)
        assert await read(0) == WORDS[0]
        await device.pulse("secret_lock")
        assert [await read(index) for index in range(8)] == [0] * 8

    run(test)


def test_secret_does_not_read_after_an_alarm():
    async def test(device: Device) -> None:
        await device.go(State.BOOT)
        await device.pulse("command")
        device.ctx.set(device.dut.secret_read, 1)
        assert device.ctx.get(device.dut.secret_word) == 0

    run(test)


@pytest.mark.parametrize("alarm", FATAL)
def test_a_bit_that_flips_among_the_alarms_is_one(alarm: Alarm):
    async def test(device: Device) -> None:
        await device.go(State.OPERATIONAL)
        device.ctx.set(device.dut.alarms, 1 << alarm)
        await device.cycles(ZEROISE_CYCLES)
        assert (device.state, device.zeroises) == (State.TAMPERED, True)

    run(test)


def test_clearing_the_alarms_does_not_undo_them():
    async def test(device: Device) -> None:
        await device.go(State.OPERATIONAL)
        await device.pulse("command")
        device.ctx.set(device.dut.alarms, 0)
        await device.cycles(10)
        assert (device.state, device.zeroises) == (State.TAMPERED, True)

    run(test)
