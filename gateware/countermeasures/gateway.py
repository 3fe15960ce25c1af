# SPDX-License-Identifier: Apache-2.0
"""Of the gateway as a whole."""

from gateware.countermeasures.entry import Countermeasure

_GATEWAY = "tests/sim/test_gateway.py"
_REMOVED = "tests/firmware/removed.py"
_SNG = "tests/sim/test_sng.py"
_RELEASED = f"{_SNG}::test_the_key_of_weights_is_of_use_in_an_attested_gateway_until_somebody_tampers"
ENGINE_FORGETS = "tests/gateware/devices/test_gateway.py::test_nothing_is_left_in_the_hash_engine_when_power_goes"

GATEWAYS = (
    Countermeasure(
        "GATEWAY.SETTINGS_FROZEN",
        "a host that, while the server serves, lets more pass, or sends samples or weights to somebody else or nowhere",
        ("gateware/devices/gateway.py",),
        (f"{_GATEWAY}::test_every_turn_becomes_a_pair_and_is_kept",),
        (f"{_GATEWAY}::test_what_is_set_stays_while_the_server_serves", _RELEASED),
    ),
    Countermeasure(
        "GATEWAY.STOPPED",
        "a server that goes on where its samples cannot be sealed any more, as somebody tampers or the firmware has failed",
        ("gateware/devices/gateway.py",),
        (f"{_GATEWAY}::test_tampering_takes_the_power_until_a_reset",),
        (
            f"{_GATEWAY}::test_a_session_that_is_told_to_stop_takes_the_power_until_a_reset",
            f"{_SNG}::test_firmware_that_has_failed_takes_the_power",
        ),
    ),
    Countermeasure(
        "GATEWAY.ALARM_TAKES_POWER",
        "a server that has power after an alarm of the device, or weights that were opened with a key of the blank state",
        ("gateware/devices/sng.py",),
        (f"{_SNG}::test_leaving_blank_takes_the_power_and_what_was_loaded_then",),
        (_RELEASED,),
    ),
    Countermeasure(
        "WEIGHTS.WHITELISTED",
        "a host that gives a server weights of its own choice",
        ("firmware/weights.c",),
        (
            "tests/firmware/test_weights.py::test_weights_that_are_not_on_the_whitelist_are_not_expected",
            "tests/firmware/test_weights.py::test_every_bit_of_the_digest_counts",
            f"{_SNG}::test_a_host_cannot_say_which_weights_an_operational_gateway_takes",
        ),
        (
            f"{_REMOVED}::WEIGHTS.WHITELISTED",
            "tests/firmware/test_weights.py::test_a_whitelist_that_is_not_what_was_locked_ends_the_device",
        ),
    ),
    Countermeasure(
        "WEIGHTS.KEY_ATTESTED",
        "a key of weights that is handed to another device, to one that is blank or has been tampered with, or in clear",
        ("host/custodes/governed.py",),
        (f"{_SNG}::test_the_command_uploads_sealed_weights_through_an_attested_gateway",),
        (
            f"{_SNG}::test_what_is_no_operational_gateway_gets_no_key_and_no_weights",
            f"{_SNG}::test_a_gateway_of_another_build_gets_no_key",
            f"{_SNG}::test_a_tampered_gateway_gets_no_key",
            f"{_SNG}::test_an_operational_gateway_takes_no_key_in_clear",
            "tests/host/test_key_commands.py::test_what_is_said_of_a_device_must_be_what_it_proves",
            "tests/host/test_key_commands.py::test_a_network_card_cannot_prove_to_be_a_gateway",
        ),
    ),
)
