# SPDX-License-Identifier: Apache-2.0
"""What a gateway does with its server, and why it has no power."""

from __future__ import annotations

import enum


class Mode(enum.IntEnum):
    """What a gateway does, and with it its server."""

    OFF = 0
    """The server has no power. What is known of weights and pairs is forgotten."""
    UPLOAD = 1
    """The server has power, and gets weights; nothing else passes, and nothing comes from it."""
    CHECK = 2
    """Every bit has come; the digest is on its way."""
    SERVING = 3


class Fault(enum.IntEnum):
    """Why the server has no power: the last reason, of several at once the first here."""

    RESET = 0
    """The gateway has had no power, and nobody has begun an upload since."""
    ORDERED = 1
    """Its host told it to."""
    GUARD = 2
    """A mode register held what it cannot."""
    BACKWARD = 3
    """The server sent something before it was allowed to serve."""
    SECOND = 4
    """Weights came when there were enough."""
    ORDER = 5
    """Weights came that are not the next, or a number of octets that is not due."""
    MALFORMED = 6
    """A frame of weights has fewer or more octets than it says, or zeros are none."""
    PAUSE = 7
    """Weights did not come for too long."""
    DIGEST = 8
    """The weights are not those that were announced."""
    LENGTH = 9
    """A number of bits was announced that is none of whole octets, or none at all, or more than frames can
    say where they belong."""


class UploadOrder(enum.IntEnum):
    """To a gateway."""

    START = 1
    """Give the server power and take weights; nothing unless OFF, and READY."""
    STOP = 2
    """Take power from the server."""
