# SPDX-License-Identifier: Apache-2.0
"""Of lifecycle, firewall, CPU and links."""

from gateware.countermeasures.entry import FLIPS, WHOLE, Countermeasure, guarded

CONTROL = "gateware/control"
_CONTROLS = "tests/gateware/control"
_REMOVED = f"{_CONTROLS}/removed.py"
_LIFECYCLE = f"{_CONTROLS}/test_lifecycle.py"
_FIREWALL = f"{_CONTROLS}/test_firewall.py"
_SECRET = f"{_CONTROLS}/test_secret.py"
_ZEROISE = f"{_CONTROLS}/test_zeroise.py"
_NIC = "tests/sim/test_nic.py"
_UART = "tests/cocotb_benches/bench_uart_link.py"

LIFE = (
    Countermeasure(
        "LIFECYCLE.STATE.GUARDED",
        "one or two flipped bits that make another state of the device",
        (f"{CONTROL}/lifecycle.py",),
        (f"{_CONTROLS}/test_flips.py::test_every_flip_in_the_lifecycle_zeroises",),
        (WHOLE,),
    ),
    Countermeasure(
        "LIFECYCLE.ONE_WAY",
        "firmware that leads back to an earlier state",
        (f"{CONTROL}/lifecycle.py",),
        (f"{_LIFECYCLE}::test_firmware_gets_what_it_asks_for_only_where_there_is_such_a_step",),
        (f"{_REMOVED}::LIFECYCLE.ONE_WAY",),
    ),
    Countermeasure(
        "LIFECYCLE.RENEW",
        "raw keys of the blank state that outlive it",
        (f"{CONTROL}/lifecycle.py",),
        (f"{_LIFECYCLE}::test_what_was_loaded_while_blank_is_taken_away",),
        (
            f"{_REMOVED}::LIFECYCLE.RENEW",
            f"{_ZEROISE}::test_leaving_blank_takes_raw_keys_away_and_takes_no_others",
        ),
    ),
    Countermeasure(
        "ALARM.ENDS_DEVICE",
        "a device that goes on after an alarm, or zeroises too late",
        (f"{CONTROL}/lifecycle.py",),
        (
            f"{_LIFECYCLE}::test_an_alarm_of_one_cycle_zeroises_in_time_and_for_ever",
            f"{_LIFECYCLE}::test_bricking_zeroises_in_time",
            f"{_ZEROISE}::test_keys_are_overwritten_in_time_after_the_pin",
        ),
        (
            f"{_REMOVED}::ALARM.ENDS_DEVICE",
            f"{_ZEROISE}::test_every_end_stops_the_datapath_and_overwrites_its_keys_until_a_reset",
            f"{_ZEROISE}::test_no_frame_leaves_once_the_pin_has_been_seen",
        ),
    ),
    Countermeasure(
        "ALARM.LATCHED",
        "an alarm that is gone before anybody looks",
        (f"{CONTROL}/lifecycle.py",),
        (f"{_LIFECYCLE}::test_every_cause_is_kept",),
        (
            f"{_REMOVED}::ALARM.LATCHED",
            f"{_LIFECYCLE}::test_clearing_the_alarms_does_not_undo_them",
            f"{_LIFECYCLE}::test_a_bit_that_flips_among_the_alarms_is_one",
        ),
    ),
    Countermeasure(
        "TAMPER.INPUT",
        "a case that is opened",
        (f"{CONTROL}/lifecycle.py",),
        (f"{_LIFECYCLE}::test_an_alarm_of_one_cycle_zeroises_in_time_and_for_ever",),
        (f"{_REMOVED}::TAMPER.INPUT",),
    ),
    Countermeasure(
        "WATCHDOG.BOUNDED",
        "firmware that does not come back, and a counter whose bits flip",
        (f"{CONTROL}/watchdog.py",),
        (
            f"{_CONTROLS}/test_watchdog.py::test_barks_so_many_cycles_after_it_was_fed_and_for_ever",
            f"{_LIFECYCLE}::test_firmware_that_does_not_feed_the_watchdog_ends_the_device",
        ),
        (
            f"{_REMOVED}::WATCHDOG.BOUNDED",
            f"{_CONTROLS}/test_watchdog.py::test_barks_in_time_whatever_its_counter_is_changed_to",
        ),
    ),
    Countermeasure(
        "SECRET.READ_ONCE",
        "code that reads the device secret after the one that derives keys from it",
        (f"{CONTROL}/secret.py",),
        (f"{_SECRET}::test_each_word_reads_once",),
        (f"{_REMOVED}::SECRET.READ_ONCE",),
    ),
    Countermeasure(
        "SECRET.LOCK",
        "the same, of words that have not been read",
        (f"{CONTROL}/secret.py",),
        (
            f"{_SECRET}::test_nothing_reads_once_it_is_locked",
            f"{_SECRET}::test_nothing_reads_in_the_cycle_that_locks_it",
        ),
        (f"{_REMOVED}::SECRET.LOCK",),
    ),
    Countermeasure(
        "SECRET.BOOT_ONLY",
        "the same, in a device that serves a host already, or has been tampered with",
        (f"{CONTROL}/lifecycle.py",),
        (
            f"{_LIFECYCLE}::test_secret_reads_in_boot_only",
            f"{_LIFECYCLE}::test_secret_does_not_read_after_an_alarm",
            f"{_NIC}::test_the_device_secret_cannot_be_read_any_more",
        ),
        (f"{_REMOVED}::SECRET.BOOT_ONLY",),
    ),
    Countermeasure(
        "SECRET.LATCH.GUARDED",
        "one or two flipped bits that make a word readable again",
        (f"{CONTROL}/secret.py",),
        (FLIPS,),
        (f"{_SECRET}::test_no_flip_of_one_or_two_bits_makes_a_word_readable_again", WHOLE),
    ),
    Countermeasure(
        "FIREWALL.MAP",
        "a register that is not documented",
        (f"{CONTROL}/firewall.py",),
        (f"{_FIREWALL}::test_every_address_of_the_nic_is_judged_as_its_map_says",),
        (f"{_REMOVED}::FIREWALL.MAP",),
    ),
    Countermeasure(
        "FIREWALL.STATE",
        "raw keys and raw noise outside the blank state; anything in a state that does not exist",
        (f"{CONTROL}/firewall.py",),
        (
            f"{_FIREWALL}::test_lets_through_what_the_map_says_and_refuses_all_else_in_every_state",
            f"{_FIREWALL}::test_keys_are_loaded_through_registers_while_blank_only",
        ),
        (f"{_REMOVED}::FIREWALL.STATE",),
    ),
    Countermeasure(
        "FIREWALL.JUDGED_AGAIN",
        "an access that has been allowed in one state and is carried out in the next",
        (f"{CONTROL}/firewall.py",),
        (f"{_FIREWALL}::test_a_request_that_waits_is_withdrawn_when_the_state_changes",),
        (f"{_REMOVED}::FIREWALL.JUDGED_AGAIN",),
    ),
    Countermeasure(
        "FIREWALL.MODE.GUARDED",
        "one or two flipped bits that let an access through",
        (f"{CONTROL}/firewall.py",),
        (FLIPS,),
        (f"{_FIREWALL}::test_a_fault_at_any_time_lets_nothing_through_and_the_next_access_is_answered", WHOLE),
    ),
    Countermeasure(
        "ENCODING.KEPT",
        "synthesis that stores bits once which must be stored apart",
        (f"{CONTROL}/guarded.py",),
        (f"{_CONTROLS}/test_guarded.py::test_synthesis_keeps_every_bit",),
        (
            f"{_CONTROLS}/test_guarded.py::test_without_that_synthesis_makes_one_flip_flop_of_bits_that_are_the_same",
            f"{_CONTROLS}/test_guarded.py::test_modes_that_two_flips_lead_between_are_refused",
        ),
    ),
)

UNITS = (
    Countermeasure(
        "ROM.NO_WRITE_PORT",
        "firmware that is changed while it runs",
        (f"{CONTROL}/memory.py",),
        (f"{_NIC}::test_the_cpu_sees_its_rom",),
        (f"{_NIC}::test_the_device_ends_where_its_cpu",),
    ),
    Countermeasure(
        "CPU.ROM_ONLY",
        "code that comes in as data, and firmware that leaves its path",
        (f"{CONTROL}/cpu.py",),
        (f"{_NIC}::test_the_cpu_calculates",),
        (f"{_NIC}::test_the_device_ends_where_its_cpu",),
    ),
    Countermeasure(
        "RAM.WIPE",
        "secrets that are still in RAM after a reset or an alarm",
        (f"{CONTROL}/memory.py",),
        (
            f"{_CONTROLS}/test_memory.py::test_ram_is_wiped_on_demand_in_the_time_it_says",
            f"{_NIC}::test_ram_is_empty_after_a_reset",
        ),
        (f"{_REMOVED}::RAM.WIPE", f"{_CONTROLS}/test_memory.py::test_what_is_written_while_ram_is_wiped_is_lost"),
    ),
    Countermeasure(
        "CPU.WIPE",
        "the same, in registers of the CPU",
        (f"{CONTROL}/cpu.py",),
        (f"{_CONTROLS}/test_cpu.py::test_every_register_is_overwritten",),
        (f"{_CONTROLS}/test_cpu.py::test_a_register_that_is_left_out_is_found",),
    ),
    Countermeasure(
        "MAILBOX.OWNERSHIP",
        "a request that changes after firmware has checked it",
        (f"{CONTROL}/mailbox.py",),
        (f"{_CONTROLS}/test_mailbox.py::test_what_the_host_writes_in_the_turn_of_the_firmware_is_lost",),
        (f"{_REMOVED}::MAILBOX.OWNERSHIP",),
    ),
    Countermeasure(
        "UART.WHOLE_FRAMES",
        "a write that nobody sent: noise, a wrong baud rate, half a frame",
        (f"{CONTROL}/uart_link.py",),
        (f"{_UART}::hears_good_frames_between_garbage", f"{_UART}::another_baud_is_not_understood_and_does_no_harm"),
        (
            f"{_UART}::no_flipped_bit_is_obeyed",
            f"{_UART}::no_broken_byte_is_obeyed",
            f"{_UART}::a_part_of_a_frame_is_dropped_when_it_goes_no_further",
        ),
    ),
    Countermeasure(
        "UART.ONCE",
        "a write that is carried out twice because its answer was lost",
        (f"{CONTROL}/uart_link.py",),
        (f"{_UART}::a_repeated_request_is_answered_and_not_done_again",),
        (f"{_UART}::what_is_not_the_next_request_ends_the_session",),
    ),
    guarded("MAILBOX.MODE.GUARDED", f"{CONTROL}/mailbox.py"),
    guarded("UART.MODE.GUARDED", f"{CONTROL}/uart_link.py"),
    Countermeasure(
        "CPU.MODE.GUARDED",
        "one or two flipped bits that let the CPU run before it is clean",
        (f"{CONTROL}/cpu.py",),
        (WHOLE,),
        (WHOLE,),
    ),
)

CONTROLS = (*LIFE, *UNITS)
