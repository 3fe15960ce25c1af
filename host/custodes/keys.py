# SPDX-License-Identifier: Apache-2.0
"""Keys: the MACsec sessions of a processor, as one validated TOML file.

The specification and the device read the same object; `custodes.processor` turns it into register writes. No message
shows a value of the file but addresses and SCIs, nor a name that is long enough to be a key.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from itertools import combinations
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from custodes.errors import KeysError
from custodes.macsec import ASSOCIATIONS_PER_CHANNEL, CHANNELS, MAX_WINDOW, SALT_BYTES, Suite
from custodes.policy import Number, Strict, first_problem

MAX_FILE_BYTES = 1 << 20
STDIN = Path("-")
SUITES = {suite.title: suite for suite in Suite}
LONGEST_NAME = 24
"""Characters of a name that a message shows; the hexadecimal digits of a key are more."""
T = TypeVar("T")
_MAC = "(?:[0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}"
_HEX = "(?:[0-9a-fA-F]{2})+"


def _mac(text: object) -> bytes:
    if not isinstance(text, str) or not re.fullmatch(_MAC, text):
        raise ValueError("is not a MAC address")
    return bytes.fromhex(text.replace(":", ""))


def _sci(text: object) -> bytes:
    if isinstance(text, str) and re.fullmatch("[0-9a-fA-F]{16}", text):
        return bytes.fromhex(text)
    address, _, port = text.partition("/") if isinstance(text, str) else ("", "", "")
    if not re.fullmatch(_MAC, address) or not re.fullmatch("[0-9]{1,5}", port) or int(port) > 0xFFFF:
        raise ValueError("is neither 16 hexadecimal digits nor a MAC address, a slash and a port number")
    return bytes.fromhex(address.replace(":", "")) + int(port).to_bytes(2)


def _suite(text: object) -> Suite:
    if not isinstance(text, str) or text not in SUITES:
        raise ValueError(f"is none of {', '.join(SUITES)}")
    return SUITES[text]


def _secret(text: object) -> bytes:
    if not isinstance(text, str) or not re.fullmatch(_HEX, text):
        raise ValueError("is not a string of pairs of hexadecimal digits")
    return bytes.fromhex(text)


Mac = Annotated[bytes, BeforeValidator(_mac)]
Sci = Annotated[bytes, BeforeValidator(_sci)]
Secret = Annotated[bytes, BeforeValidator(_secret), Field(repr=False)]
An = Annotated[Number, Field(ge=0, lt=ASSOCIATIONS_PER_CHANNEL)]


class Association(Strict):
    """A secure association: ``pn`` is the next to send, or the lowest acceptable."""

    an: An
    suite: Annotated[Suite, BeforeValidator(_suite)]
    key: Secret
    pn: Annotated[Number, Field(ge=1)] = 1
    salt: Secret = b""
    ssci: Annotated[Number, Field(ge=0, le=0xFFFF_FFFF)] | None = None

    @model_validator(mode="after")
    def _fits_suite(self) -> Association:
        suite = self.suite
        for name, given in (("salt", bool(self.salt)), ("ssci", self.ssci is not None)):
            if given != suite.extended:
                raise ValueError(
                    f"{name}: {'is missing for' if suite.extended else 'has no meaning for'} {suite.title}"
                )
        for name, value, size in (("key", self.key, suite.key_bytes), ("salt", self.salt, SALT_BYTES)):
            if value and len(value) != size:
                raise ValueError(f"{name}: should have {2 * size} hexadecimal digits, not {2 * len(value)}")
        if self.pn > suite.max_pn:
            raise ValueError(f"pn: {suite.title} ends at {suite.max_pn}")
        return self


class _Channel(Strict):
    sci: Sci
    association: tuple[Association, ...] = ()

    @model_validator(mode="after")
    def _distinct(self) -> _Channel:
        if (an := twice(association.an for association in self.association)) is not None:
            raise ValueError(f"association: AN {an} is listed twice")
        return self


class TransmitChannel(_Channel):
    """A secure channel to the station ``peer``, sealed with its association ``an``."""

    peer: Mac
    an: An = 0

    @model_validator(mode="after")
    def _selected(self) -> TransmitChannel:
        if self.an not in [association.an for association in self.association]:
            raise ValueError(f"an: there is no association with AN {self.an}")
        return self


class ReceiveChannel(_Channel):
    """A secure channel from the station with ``sci``; its frames may come ``window`` packet numbers late."""

    window: Annotated[Number, Field(ge=0, le=MAX_WINDOW)] = 0


class Keys(Strict):
    """The secure channels of a processor; number ``i`` of the device is the ``i``-th of its direction."""

    transmit: tuple[TransmitChannel, ...] = ()
    receive: tuple[ReceiveChannel, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Keys:
        for name, channels in (("transmit", self.transmit), ("receive", self.receive)):
            if len(channels) > CHANNELS:
                raise ValueError(f"{name}: {len(channels)} channels; the device takes {CHANNELS}")
        if (peer := twice(channel.peer for channel in self.transmit)) is not None:
            raise ValueError(f"transmit: peer {peer.hex(':')} is listed twice")
        if (sci := twice(channel.sci for channel in self.receive)) is not None:
            raise ValueError(f"receive: SCI {sci.hex()} is listed twice")
        sealing = [
            (f"transmit.{i} AN {association.an}", association.key, _iv_begins(channel.sci, association))
            for i, channel in enumerate(self.transmit)
            for association in channel.association
        ]
        for (name, key, begins), (other, same, too) in combinations(sealing, 2):
            if key == same and (begins.startswith(too) or too.startswith(begins)):
                raise ValueError(f"{name} and {other}: have the same key and could use an IV twice")
        return self


def twice(values: Iterable[T]) -> T | None:
    """The first value that comes a second time."""
    seen: set[T] = set()
    return next((value for value in values if value in seen or seen.add(value)), None)


def _iv_begins(sci: bytes, association: Association) -> bytes:
    """What all IVs of an association begin with: 14.5, 14.7. Where two differ here, no IV is the same."""
    if association.ssci is None:
        return sci
    return bytes(a ^ b for a, b in zip(association.ssci.to_bytes(4), association.salt[:4], strict=True))


def load_keys(path: Path) -> Keys:
    """Read and validate a keys file, or standard input where ``path`` is ``-``.

    Raises:
        KeysError: with one line that names what is wrong.
    """
    name = "standard input" if path == STDIN else str(path)
    try:
        with open(0, "rb", closefd=False) if path == STDIN else path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
        if len(data) > MAX_FILE_BYTES:
            raise KeysError(f"{name}: larger than {MAX_FILE_BYTES} bytes")
        return Keys.model_validate(tomllib.loads(data.decode()))
    except OSError as error:
        raise KeysError(f"{name}: {error.strerror}") from None
    except ValidationError as error:
        raise KeysError(f"{name}: {_discreet(error)}") from None
    except (ValueError, RecursionError) as error:
        place = re.search(r"\(at (line \d+, column \d+|end of document)\)$", str(error))
        raise KeysError(f"{name}: not TOML{f': {place[1]}' if place else ''}") from None


def _discreet(error: ValidationError) -> str:
    """The first thing that is wrong, without the name of a key of the file that could be a key of a session."""
    first = error.errors()[0]
    name = str(first["loc"][-1]) if first["loc"] else ""
    text = first_problem(error)
    return text.replace(name, "(a long name)") if len(name) > LONGEST_NAME else text
