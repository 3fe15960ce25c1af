# SPDX-License-Identifier: Apache-2.0
"""Who may ask a recomputer for what, as one validated TOML file: roles, their keys, and how many of these must sign."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from custodes.errors import KeysError
from custodes.keys import twice
from custodes.mailbox import KEY_BYTES
from custodes.policy import Number, Strict, first_problem

MAX_FILE_BYTES = 1 << 16
ACTIONS = ("plugin", "budget", "epsilon", "shutdown", "gateway", "model")


def _key(text: object) -> bytes:
    if not isinstance(text, str) or not re.fullmatch(f"[0-9a-fA-F]{{{2 * KEY_BYTES}}}", text):
        raise ValueError(f"is no public key of {2 * KEY_BYTES} hexadecimal digits")
    return bytes.fromhex(text)


def _action(text: object) -> str:
    if text not in ACTIONS:
        raise ValueError(f"is none of {', '.join(ACTIONS)}")
    return str(text)


class Role(Strict):
    """So many of the keys must sign what the role asks for."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    keys: Annotated[tuple[Annotated[bytes, BeforeValidator(_key)], ...], Field(min_length=1)]
    threshold: Annotated[Number, Field(ge=1)] = 1
    actions: tuple[Annotated[str, BeforeValidator(_action)], ...]

    @model_validator(mode="after")
    def _consistent(self) -> Role:
        if (key := twice(self.keys)) is not None:
            raise ValueError(f"keys: {key.hex()} is listed twice")
        if self.threshold > len(self.keys):
            raise ValueError(f"threshold: there are only {len(self.keys)} keys")
        return self


class Roster(Strict):
    """All roles."""

    role: tuple[Role, ...]

    @model_validator(mode="after")
    def _distinct(self) -> Roster:
        if (name := twice(role.name for role in self.role)) is not None:
            raise ValueError(f"role: {name} is listed twice")
        return self

    def find(self, name: object) -> Role | None:
        return next((role for role in self.role if role.name == name), None)


def load_roster(path: Path) -> Roster:
    """Read and validate a roster; raises `KeysError` with one line that names what is wrong."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
        if len(data) > MAX_FILE_BYTES:
            raise KeysError(f"{path}: larger than {MAX_FILE_BYTES} bytes")
        return Roster.model_validate(tomllib.loads(data.decode()))
    except OSError as error:
        raise KeysError(f"{path}: {error.strerror}") from None
    except ValidationError as error:
        raise KeysError(f"{path}: {first_problem(error)}") from None
    except (ValueError, RecursionError) as error:
        raise KeysError(f"{path}: not TOML: {error}") from None
