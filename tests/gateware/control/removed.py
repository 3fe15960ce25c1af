# SPDX-License-Identifier: Apache-2.0
"""Copies of the units of control, each without one countermeasure: the test of that must fail."""

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from custodes.lifecycle import Alarm
from custodes.lifecycle import Lifecycle as State
from gateware.control.firewall import Firewall
from gateware.control.lifecycle import Lifecycle
from gateware.control.mailbox import Mailbox
from gateware.control.memory import Ram
from gateware.control.secret import DeviceSecret
from gateware.control.watchdog import Watchdog
from tests.gateware.control import test_firewall, test_lifecycle, test_mailbox, test_memory, test_secret, test_watchdog


@dataclass(frozen=True)
class Removed:
    """A ``unit`` whose ``method`` has ``new`` in the place of ``old``, and so lacks countermeasure ``label``; ``notices`` is
    the test that fails then."""

    label: str
    unit: type
    method: str
    old: str
    new: str
    notices: Callable[[], Any]

    def goes_unnoticed(self) -> bool:
        """Whether the test passes without the countermeasure."""
        source = inspect.getsource(self.unit)
        if source.count(self.old) != 1:
            raise ValueError(f"{self.unit.__name__} has {source.count(self.old)} times {self.old!r}")
        made: dict[str, Any] = {}
        exec(source.replace(self.old, self.new), vars(sys.modules[self.unit.__module__]), made)
        with patch.object(self.unit, self.method, vars(made[self.unit.__name__])[self.method]):
            try:
                self.notices()
            except AssertionError:
                return False
        return True


COPIES = (
    Removed(
        "LIFECYCLE.ONE_WAY",
        Lifecycle,
        "elaborate",
        "in TRANSITIONS.items()",
        "in dict.fromkeys(State, tuple(State)).items()",
        lambda: test_lifecycle.test_firmware_gets_what_it_asks_for_only_where_there_is_such_a_step(State.OPERATIONAL),
    ),
    Removed(
        "ALARM.ENDS_DEVICE",
        Lifecycle,
        "elaborate",
        "with m.If(fatal):",
        "with m.If(0):",
        lambda: test_lifecycle.test_an_alarm_of_one_cycle_zeroises_in_time_and_for_ever(Alarm.TRAP, State.OPERATIONAL),
    ),
    Removed(
        "ALARM.LATCHED",
        Lifecycle,
        "elaborate",
        "self.alarms.eq(alarms)",
        "self.alarms.eq(0)",
        lambda: test_lifecycle.test_every_cause_is_kept(State.BLANK),
    ),
    Removed(
        "TAMPER.INPUT",
        Lifecycle,
        "elaborate",
        "Alarm.TAMPER: tamper,",
        "Alarm.TAMPER: tamper & 0,",
        lambda: test_lifecycle.test_an_alarm_of_one_cycle_zeroises_in_time_and_for_ever(
            Alarm.TAMPER, State.OPERATIONAL
        ),
    ),
    Removed(
        "LIFECYCLE.RENEW",
        Lifecycle,
        "_renew",
        "(state != RENEWS) & (left != 0)",
        "0",
        lambda: test_lifecycle.test_what_was_loaded_while_blank_is_taken_away(State.BLANK, State.PROVISIONED),
    ),
    Removed(
        "SECRET.BOOT_ONLY",
        Lifecycle,
        "_secret",
        "self.secret_lock | (self.state != State.BOOT)",
        "self.secret_lock",
        lambda: test_lifecycle.test_secret_reads_in_boot_only(State.BLANK),
    ),
    Removed(
        "SECRET.READ_ONCE",
        DeviceSecret,
        "elaborate",
        "m.d.sync += latch.eq(Latch.SHUT)",
        "m.d.sync += latch.eq(latch)",
        lambda: test_secret.test_each_word_reads_once(list(range(8))),
    ),
    Removed(
        "SECRET.LOCK",
        DeviceSecret,
        "elaborate",
        "& (lock == Latch.OPEN)",
        "",
        test_secret.test_nothing_reads_once_it_is_locked,
    ),
    Removed(
        "WATCHDOG.BOUNDED",
        Watchdog,
        "elaborate",
        "left - 1)",
        "left)",
        lambda: test_watchdog.test_barks_so_many_cycles_after_it_was_fed_and_for_ever(0),
    ),
    Removed(
        "FIREWALL.STATE",
        Firewall,
        "_allowed",
        "& written[at.guard]",
        "",
        lambda: test_firewall.test_lets_through_what_the_map_says_and_refuses_all_else_in_every_state(
            State.OPERATIONAL
        ),
    ),
    Removed(
        "FIREWALL.MAP",
        Firewall,
        "_allowed",
        "_within(address, at.first, at.words)",
        "(address >= at.first)",
        lambda: test_firewall.test_lets_through_what_the_map_says_and_refuses_all_else_in_every_state(State.BLANK),
    ),
    Removed(
        "FIREWALL.JUDGED_AGAIN",
        Firewall,
        "elaborate",
        "(passing == Passing.FORWARD) & allowed & ~owed",
        "(passing == Passing.FORWARD) & ~owed",
        lambda: test_firewall.test_a_request_that_waits_is_withdrawn_when_the_state_changes(1),
    ),
    Removed(
        "RAM.WIPE",
        Ram,
        "elaborate",
        "with m.If(self.wipe & ~before):",
        "with m.If(0):",
        test_memory.test_ram_is_wiped_on_demand_in_the_time_it_says,
    ),
    Removed(
        "MAILBOX.OWNERSHIP",
        Mailbox,
        "elaborate",
        "self.request_write & hosts",
        "self.request_write",
        test_mailbox.test_what_the_host_writes_in_the_turn_of_the_firmware_is_lost,
    ),
)
