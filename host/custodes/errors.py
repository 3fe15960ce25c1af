# SPDX-License-Identifier: Apache-2.0
"""Errors that a user sees, each with the exit code that the command line documents."""

from __future__ import annotations

INTERRUPTED = 130
"""Exit code of a command that Ctrl-C stopped."""


class CustodesError(Exception):
    """One clear line for stderr."""

    exit_code = 1


class UsageError(CustodesError):
    """What was asked for cannot be meant, or does not say enough."""

    exit_code = 2


class CaptureError(CustodesError):
    """The input is not a capture that can be scrubbed, or the output cannot be written."""

    exit_code = 3


class InterfaceError(CustodesError):
    """A network interface may not be opened, is down, or has gone."""

    exit_code = 3


class BitstreamError(CustodesError):
    """The file is not a bitstream for the board."""

    exit_code = 3


class PolicyError(CustodesError):
    """The policy file is missing, malformed or does not fit the device."""

    exit_code = 4


class KeysError(CustodesError):
    """The keys file is missing, malformed or does not fit the device."""

    exit_code = 4


class DeviceError(CustodesError):
    """The device cannot be opened or does not answer."""

    exit_code = 5


class RefusedError(DeviceError):
    """The device refuses an access to a register: it has none there, or not for the host, or not in this state."""


class MismatchError(CustodesError):
    """The device disagreed with the specification."""

    exit_code = 6


class SelfTestError(MismatchError):
    """A self-test of the device failed."""


class StoppedError(CustodesError):
    """Ctrl-C stopped a command that has something to say about it."""

    exit_code = INTERRUPTED
