# SPDX-License-Identifier: Apache-2.0
"""How units inside the control ask for a register and are answered."""

from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

ADDRESS_BITS = 13
ACCESS_REQUEST = data.StructLayout({"address": ADDRESS_BITS, "write": 1, "data": 32})
"""``address`` counts words; ``data`` is what to write."""
ACCESS_REPLY = data.StructLayout({"data": 32, "refused": 1})
"""``data`` is what was read, 0 after a write; ``refused``: the access had no effect, ``data`` is 0."""


class AccessInterface(wiring.PureInterface):
    """What `AccessSignature` makes."""

    request: stream.Interface
    reply: stream.Interface


class AccessSignature(wiring.Signature):
    """As seen from the one who asks. Every request is answered once, and the next one waits for that answer."""

    def __init__(self) -> None:
        super().__init__(
            {"request": Out(stream.Signature(ACCESS_REQUEST)), "reply": In(stream.Signature(ACCESS_REPLY))}
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AccessSignature)
