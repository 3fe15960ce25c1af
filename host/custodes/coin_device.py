# SPDX-License-Identifier: Apache-2.0
"""The coin of a device: orders to it, and whether it has carried them out."""

from __future__ import annotations

from typing import Protocol

from custodes.accessors import Registers
from custodes.coin import CoinError, Offence, Speaker
from custodes.coin_registers import SHARE_WORDS, CoinFault, CoinOrder, CoinState, Party
from custodes.errors import DeviceError

READINGS = 200
"""Of a coin at work; it takes some microseconds."""
OFFENCES = {
    CoinFault.COPIED: Offence.COPIED,
    CoinFault.EARLY: Offence.EARLY,
    CoinFault.MISMATCH: Offence.MISMATCH,
    CoinFault.REPEATED: Offence.EQUIVOCATION,
}
"""Those of the party whose message the device was given; any other fault is the device's."""
DETAILS = {
    Offence.COPIED: "its commitment is the other party's",
    Offence.EARLY: "its share comes before both commitments",
    Offence.MISMATCH: "its share and salt are not what it committed to",
    Offence.EQUIVOCATION: "it has done so already",
}


class Coin(Protocol):
    """What a warden wants of a device. Every method raises `DeviceError` where the device does not answer, and `CoinError`
    where the device says that the epoch is void."""

    def last_epoch(self) -> int:
        """The number of the epoch that began last."""
        ...

    def begin(self, epoch: int, limit: int) -> None:
        """Forget everything and begin an epoch of ``limit`` words in each direction."""
        ...

    def commit(self, party: Party, commitment: bytes) -> None:
        """Latch a commitment."""
        ...

    def commitments(self) -> tuple[bytes, bytes]:
        """Those that the device has, the prover's first."""
        ...

    def reveal(self, party: Party, share: bytes, salt: bytes) -> None:
        """Have a share checked."""
        ...

    def drawn(self) -> bool:
        """Whether the device has words, or had some of this epoch."""
        ...

    def used(self) -> tuple[int, int]:
        """Words that have been used in this epoch, the cluster's first."""
        ...

    def end(self) -> None:
        """Forget everything. No words come."""
        ...


class DeviceCoin:
    """A `Coin` behind registers.

    Args:
        registers: of a device that has `custodes.coin_registers.COIN_BLOCK`.
    """

    def __init__(self, registers: Registers) -> None:
        self.registers = registers

    def last_epoch(self) -> int:
        return int.from_bytes(self.registers.octets("COIN_EPOCH"), "little")

    def begin(self, epoch: int, limit: int) -> None:
        self.registers.write("COIN_LIMIT", limit)
        self.registers.write_words("COIN_NEXT", _words(epoch.to_bytes(8, "little")))
        self._order(CoinOrder.BEGIN, Speaker.WARDEN)

    def commit(self, party: Party, commitment: bytes) -> None:
        self._write("COIN_COMMITMENT", party, commitment)
        self._order(CoinOrder.LATCH, party)

    def commitments(self) -> tuple[bytes, bytes]:
        both = self.registers.octets("COIN_COMMITMENT")
        size = len(both) // 2
        return both[:size], both[size:]

    def reveal(self, party: Party, share: bytes, salt: bytes) -> None:
        self._write("COIN_SHARE", party, share)
        self._write("COIN_SALT", party, salt)
        self._order(CoinOrder.REVEAL, party)

    def drawn(self) -> bool:
        return self.registers.field("COIN_STATUS", "STATE", CoinState) is CoinState.DRAWN

    def used(self) -> tuple[int, int]:
        cluster, world = self.registers.words("COIN_USED")
        return cluster, world

    def end(self) -> None:
        self.registers.write_fields("COIN_COMMAND", {"ORDER": CoinOrder.END})
        self._rest()

    def _write(self, name: str, party: Party, value: bytes) -> None:
        for at, word in enumerate(_words(value)):
            self.registers.write(name, word, SHARE_WORDS * party + at)

    def _order(self, order: CoinOrder, by: int) -> None:
        party = by if by in list(Party) else Party.PROVER
        self._rest()
        self.registers.write_fields("COIN_COMMAND", {"PARTY": party, "ORDER": order})
        status = self._rest()
        fault = CoinFault(status["FAULT"])
        if fault is not CoinFault.NONE:
            offence = OFFENCES.get(fault, Offence.DEVICE)
            speaker = Speaker.WARDEN if offence is Offence.DEVICE else Speaker(by)
            detail = DETAILS.get(offence, f"the device says {fault.name.lower()}")
            raise CoinError(offence, speaker, detail)
        if status["REFUSED"]:
            raise DeviceError(f"the device refuses {order.name.lower()} of the coin")

    def _rest(self) -> dict[str, int]:
        """The status once the device is not at work."""
        for _ in range(READINGS):
            status = self.registers.fields("COIN_STATUS")
            if not status["BUSY"]:
                return status
        raise DeviceError("the device does not get done with the coin")


def _words(value: bytes) -> list[int]:
    return [int.from_bytes(value[at : at + 4], "little") for at in range(0, len(value), 4)]
