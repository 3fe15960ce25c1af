# SPDX-License-Identifier: Apache-2.0
"""Orders of the governors to a device: what `Request.ORDER` carries out, and who must have signed it.

An order is for one device in one boot, as it names the keys that the device has then; its serial rises, so that it is
carried out once. Signatures are COSE_Sign1 (RFC 9052, 4.2) with detached payload; session keys are wrapped with HPKE (RFC
9180).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from custodes.deterministic import encode
from custodes.firmware import Identity
from custodes.keys import Association
from custodes.macsec import Side
from custodes.mailbox import ACTIVATE, BRICK, ENCAPSULATED_BYTES, KEY, KEY_BYTES, ZEROISE

ALGORITHM, KID = 1, 4
"""Labels of COSE headers: RFC 9052, 3.1."""
EDDSA = -8
CONTEXT = "Signature1"
HPKE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


class Orders:
    """Makes the payloads of orders to one device, with rising serials.

    Args:
        identity: of the device, in the boot in which it is to carry them out.
        serial: of the first; by default the milliseconds since 1970, so that whoever orders later has a higher one.
    """

    def __init__(self, identity: Identity, serial: int | None = None) -> None:
        self.identity = identity
        self._serial = time.time_ns() // 1_000_000 if serial is None else serial

    def _begin(self, kind: str) -> list[Any]:
        begin = [kind, self.identity.identity_key, self.identity.agreement_key, self._serial]
        self._serial += 1
        return begin

    def activate(self, digest: bytes) -> bytes:
        """Become operational, with what has this provisioning digest."""
        return encode([*self._begin(ACTIVATE), digest])

    def key(self, side: Side, channel: int, association: Association, selected: bool, lifetime: int = 0) -> bytes:
        """Take the session key of an association.

        Args:
            selected: the channel seals with it from now on.
            lifetime: in ticks of `custodes.processor_registers.TICK_CYCLES`; 0: no end.
        """
        info = [*self._begin(KEY), int(side), channel, association.an, int(association.suite), association.pn]
        info += [association.ssci or 0, association.salt, lifetime, selected]
        key = association.key.ljust(KEY_BYTES, b"\0")
        recipient = X25519PublicKey.from_public_bytes(self.identity.agreement_key)
        sealed = HPKE.encrypt(key, recipient, info=encode(info))
        return encode([*info, sealed[:ENCAPSULATED_BYTES], sealed[ENCAPSULATED_BYTES:]])

    def zeroise(self, side: Side, channel: int, an: int) -> bytes:
        """Forget the key of an association."""
        return encode([*self._begin(ZEROISE), int(side), channel, an])

    def brick(self) -> bytes:
        """Never do anything again."""
        return encode(self._begin(BRICK))


def protected(governor: int) -> bytes:
    """The protected header of a governor's signature; ``governor`` is its number, from 0."""
    return encode({ALGORITHM: EDDSA, KID: bytes([governor])})


def to_be_signed(governor: int, payload: bytes) -> bytes:
    """What a governor signs: the Sig_structure of RFC 9052, 4.4."""
    return encode([CONTEXT, protected(governor), b"", payload])


def cose_sign1(governor: int, payload: bytes, key: Ed25519PrivateKey) -> list[Any]:
    """A governor's signature of an order."""
    return [protected(governor), {}, None, key.sign(to_be_signed(governor, payload))]


def signed(payload: bytes, keys: Mapping[int, Ed25519PrivateKey]) -> list[list[Any]]:
    """The signatures of several governors, by their numbers."""
    return [cose_sign1(governor, payload, key) for governor, key in sorted(keys.items())]
