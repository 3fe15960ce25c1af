# SPDX-License-Identifier: Apache-2.0
"""The order of a recomputer to a gateway: take the power from your server. Signed, for one gateway, with a rising serial."""

from __future__ import annotations

from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from custodes.cose import SignatureError, open1, sign1
from custodes.deterministic import decode, encode
from custodes.errors import CustodesError

SHUT_DOWN = "custodes/shutdown/v1"


class OrderError(CustodesError):
    """Octets are no order that this gateway has to carry out."""

    exit_code = 4


class Shutdown(NamedTuple):
    """What was ordered."""

    serial: int
    reason: str


def shutdown_order(gateway: bytes, serial: int, reason: str, key: Ed25519PrivateKey) -> bytes:
    """The signed order, a COSE_Sign1.

    Args:
        gateway: its identity, 32 octets.
        serial: higher than that of any order before.
    """
    return sign1(encode([SHUT_DOWN, gateway, serial, reason]), key)


def read_shutdown(message: bytes, recomputer: bytes, gateway: bytes, after: int = -1) -> Shutdown:
    """What is ordered, for who has to carry it out.

    Args:
        recomputer: the public key of who may order.
        gateway: the identity of who is asked.
        after: the serial of the last order that was carried out.

    Raises:
        OrderError: it is by somebody else, for somebody else, or has been carried out.
    """
    try:
        _, payload = open1(message, [recomputer])
        kind, who, serial, reason = decode(payload)
        if kind != SHUT_DOWN or type(serial) is not int or not isinstance(reason, str):
            raise ValueError
    except SignatureError as error:
        raise OrderError(f"the order {error}") from None
    except (ValueError, TypeError):
        raise OrderError("this is no order to a gateway") from None
    if who != gateway:
        raise OrderError("the order is for another gateway")
    if serial <= after:
        raise OrderError(f"the order has the serial {serial}, and {after} has been carried out")
    return Shutdown(serial, reason)
