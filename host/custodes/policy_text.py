# SPDX-License-Identifier: Apache-2.0
"""A policy as the text of a policy file."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator
from typing import Any

from custodes.policy import Policy

MAC_BYTES = 6


def policy_text(policy: Policy) -> str:
    """TOML that `custodes.policy.load_policy` reads back as the same policy."""
    return "\n".join(_tables("", policy.model_dump())) + "\n"


def _tables(name: str, table: dict[str, Any]) -> Iterator[str]:
    """Keys of a table, then the tables in it."""
    inner = {key: value for key, value in table.items() if isinstance(value, dict)}
    rows = {key: value for key, value in table.items() if isinstance(value, tuple) and value and _is_table(value[0])}
    for key, value in table.items():
        if key not in inner and key not in rows:
            yield f"{key} = {_value(value)}"
    for key, value in inner.items():
        yield f"[{name}{key}]"
        yield from _tables(f"{name}{key}.", value)
    for key, values in rows.items():
        for value in values:
            yield f"[[{name}{key}]]"
            yield from _tables(f"{name}{key}.", value)


def _is_table(value: object) -> bool:
    return isinstance(value, dict)


def _value(value: object) -> str:
    if isinstance(value, bytes):
        return json.dumps(value.hex(":") if len(value) == MAC_BYTES else str(ipaddress.ip_address(value)))
    if isinstance(value, frozenset):
        return f"[{', '.join(sorted(map(_value, value)))}]"
    if isinstance(value, tuple):
        return f"[{', '.join(map(_value, value))}]"
    return json.dumps(value)
