# SPDX-License-Identifier: Apache-2.0
"""Of the gateway as a whole."""

from gateware.countermeasures.entry import Countermeasure

_GATEWAY = "tests/sim/test_gateway.py"
ENGINE_FORGETS = "tests/gateware/devices/test_gateway.py::test_nothing_is_left_in_the_hash_engine_when_power_goes"

GATEWAYS = (
    Countermeasure(
        "GATEWAY.SETTINGS_FROZEN",
        "a host that, while the server serves, lets more pass, or sends samples or weights to somebody else or nowhere",
        ("gateware/devices/gateway.py",),
        (f"{_GATEWAY}::test_every_turn_becomes_a_pair_and_is_kept",),
        (f"{_GATEWAY}::test_what_is_set_stays_while_the_server_serves",),
    ),
)
