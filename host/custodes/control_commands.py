# SPDX-License-Identifier: Apache-2.0
"""`custodes status`, `selftest` and `log`: what state a device is in, and what it says of itself."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from custodes.command_line import JsonOption, QuietOption, VerboseOption, command, screen
from custodes.errors import DeviceError, SelfTestError, UsageError
from custodes.firmware import Entry, Firmware, Info
from custodes.lifecycle import Lifecycle
from custodes.macsec import ASSOCIATIONS, ASSOCIATIONS_PER_CHANNEL, Side
from custodes.mailbox import Event, Item, Request, SelfTest, Status
from custodes.nic import PATIENCE_S, FirmwareError, Nic
from custodes.nic_access import NIC_DEVICE, NicOption, PatienceOption, opened_firmware
from custodes.processor import Processor
from custodes.terminal import plural

DIRECTIONS = {Side.ACCELERATOR: "transmit", Side.NETWORK: "receive"}


def runs(state: Lifecycle) -> bool:
    """Whether firmware answers in this state."""
    return state not in (Lifecycle.BOOT, Lifecycle.TAMPERED)


def control_json(nic: Nic) -> dict[str, Any]:
    """Who a device is and what state it is in, by its registers: ``lifecycle``, ``alarms``, ``clock_hz``,
    ``map_digest``, ``build_id``, ``rom_digest``."""
    return {
        "lifecycle": nic.lifecycle.name,
        "alarms": [alarm.name for alarm in nic.alarms],
        "clock_hz": nic.clock_hz,
        "map_digest": nic.map_digest.hex(),
        "build_id": nic.build_id.hex(),
        "rom_digest": nic.rom_digest.hex(),
    }


def sessions_json(processor: Processor) -> dict[str, Any]:
    """``tampered``, and the ``associations`` that have a key: ``direction``, ``channel``, ``an``, ``suite``, and ``pn``,
    the next or the lowest acceptable."""
    associations = []
    for side in Side:
        for number in processor.numbers(side):
            if found := processor.association(side, number):
                channel, an = divmod(number, ASSOCIATIONS_PER_CHANNEL)
                suite, pn = found
                associations.append(
                    {"direction": DIRECTIONS[side], "channel": channel, "an": an, "suite": suite.title, "pn": pn}
                )
    return {"tampered": processor.tampered, "associations": associations}


def selftests_json(info: Info) -> dict[str, str]:
    """Name of each self-test -> "passed", "failed" or "not run"."""
    return {
        test.name: "failed" if test in info.failed else "passed" if test in info.passed else "not run"
        for test in SelfTest
    }


def status_json(device: str, firmware: Firmware) -> dict[str, Any]:
    """Keys: ``device``; those of `control_json`; ``noise`` (``state``, ``repetition_failures``,
    ``proportion_failures``); ``mailbox``; ``firmware`` (``version``, ``error``, ``selftests`` as in
    `selftests_json`; null where it does not run); ``sessions`` as in `sessions_json`."""
    nic = firmware.nic
    repetition, proportion = nic.noise_failures
    info = firmware.info() if runs(nic.lifecycle) else None
    return {
        "device": device,
        **control_json(nic),
        "noise": {"state": nic.noise.name, "repetition_failures": repetition, "proportion_failures": proportion},
        "mailbox": nic.mailbox.name,
        "firmware": info and {"version": info.version, "error": info.error, "selftests": selftests_json(info)},
        "sessions": sessions_json(Processor(nic.link)),
    }


@command
def status(
    device: NicOption = NIC_DEVICE,
    timeout: PatienceOption = PATIENCE_S,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Show what state a device is in.

    Its lifecycle and alarms, noise source, mailbox, self-tests and sessions.
    """
    display = screen(quiet, verbose)
    with opened_firmware(device, display, timeout) as firmware:
        facts = status_json(device, firmware)
        alarms = firmware.nic.alarms
    if as_json:
        display.json(facts)
        return
    noise, found = facts["noise"], facts["firmware"]
    failures = noise["repetition_failures"], noise["proportion_failures"]
    display.facts(
        [
            ("device", device),
            ("lifecycle", facts["lifecycle"].lower()),
            ("alarms", ", ".join(alarm.title for alarm in alarms) or "none"),
            ("noise", f"{noise['state'].lower()}, {failures[0]} repetition and {failures[1]} proportion tests failed"),
            ("mailbox", facts["mailbox"].lower()),
            ("firmware", _firmware_line(found)),
            *((f"  {test.lower()}", outcome) for test, outcome in (found["selftests"] if found else {}).items()),
            ("sessions", plural(len(facts["sessions"]["associations"]), "association") + " in use"),
            *(
                (f"  {one['direction']} {one['channel']} AN {one['an']}", f"{one['suite']}, PN {one['pn']}")
                for one in facts["sessions"]["associations"]
            ),
        ]
    )


def _firmware_line(found: dict[str, Any] | None) -> str:
    if found is None:
        return "does not run"
    return f"version {found['version']}" + (", in the error state" if found["error"] else "")


def _tests(names: list[str]) -> list[SelfTest]:
    known = {test.name.lower(): test for test in SelfTest}
    for name in names:
        if name.lower() not in known:
            raise UsageError(f"{name}: no such self-test; they are {', '.join(known)}")
    return [known[name.lower()] for name in names] or list(SelfTest)


@command
def selftest(
    names: Annotated[list[str] | None, typer.Argument(metavar="[TEST]...", help="Which; without, all.")] = None,
    spoil: Annotated[
        list[str] | None,
        typer.Option("--spoil", metavar="TEST", help="Make this one fail, to see that it can; while blank only."),
    ] = None,
    device: NicOption = NIC_DEVICE,
    timeout: PatienceOption = PATIENCE_S,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Make a device test itself, one known-answer test after the other.

    A test that fails puts the device into its error state, in which it does nothing until it is reset; the command then
    ends with exit code 6.
    """
    display = screen(quiet, verbose)
    wanted, spoilt = _tests(names or []), set(_tests(spoil) if spoil else [])
    refusal: FirmwareError | None = None
    with opened_firmware(device, display, timeout) as firmware:
        passed, failed = firmware.selftest([])
        try:
            for test in wanted:
                if failed:
                    break
                display.detail(f"{test.name.lower()} runs")
                passed, failed = firmware.selftest([test], spoilt & {test})
        except FirmwareError as error:
            refusal = error
    outcomes = {
        test.name: "failed" if test in failed else "passed" if test in passed else "not run"
        for test in sorted({*wanted, *failed})
    }
    if as_json:
        display.json({"device": device, "selftests": outcomes, "passed": set(outcomes.values()) == {"passed"}})
    else:
        display.facts((name.lower(), outcome) for name, outcome in outcomes.items())
    if refusal:
        raise refusal
    if failed:
        raise SelfTestError(f"self-tests failed: {', '.join(test.name.lower() for test in sorted(failed))}")
    if missing := [name.lower() for name, outcome in outcomes.items() if outcome != "passed"]:
        raise DeviceError(f"the device says nothing of self-tests that it should have run: {', '.join(missing)}")


def describe(entry: Entry) -> str:
    """The detail of an entry, in words."""
    detail = entry.detail
    if entry.event in (Event.KEY_INSTALLED, Event.ZEROISED):
        side, number = divmod(detail, ASSOCIATIONS)
        channel, an = divmod(number, ASSOCIATIONS_PER_CHANNEL)
        return f"{_name(Side, side, DIRECTIONS)} channel {channel}, AN {an}"
    if entry.event is Event.REJECTED:
        return f"{_name(Request, detail >> 8)}: {_name(Status, detail & 0xFF)}"
    kinds = {Event.BOOT: Lifecycle, Event.TEST_FAILED: SelfTest, Event.STORED: Item}
    kind = kinds.get(entry.event) if entry.event else None
    if kind:
        return _name(kind, detail)
    return str(detail) if detail else ""


def _name(kind: Any, value: int, names: dict[Any, str] | None = None) -> str:
    try:
        member = kind(value)
    except ValueError:
        return str(value)
    return names[member] if names else member.name.lower()


@command
def log(
    first: Annotated[int, typer.Option("--first", metavar="N", min=0, help="Number of the first entry to show.")] = 0,
    device: NicOption = NIC_DEVICE,
    timeout: PatienceOption = PATIENCE_S,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Show what a device has logged since its reset: number, seconds since then, event, detail."""
    display = screen(quiet, verbose)
    with opened_firmware(device, display, timeout) as firmware:
        entries = firmware.log(first)
    if as_json:
        lines = [
            {
                "number": entry.number,
                "milliseconds": entry.milliseconds,
                "event": entry.event.name if entry.event else None,
                "detail": entry.detail,
                "text": describe(entry),
            }
            for entry in entries
        ]
        display.json({"device": device, "entries": lines})
        return
    for entry in entries:
        event = entry.event.name.lower().replace("_", " ") if entry.event else "an event of a later version"
        display.result(f"{entry.number:>5}  {entry.milliseconds / 1000:>10.3f}  {event:<14} {describe(entry)}")
    if not entries:
        display.note("no entries")
