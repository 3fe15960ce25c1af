# SPDX-License-Identifier: Apache-2.0
"""A device with a coin, made of the specification; and keys and programs of those who flip it."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from custodes.accessors import Registers
from custodes.coin import Speaker
from custodes.coin_device import DeviceCoin
from custodes.coin_registers import COIN_BLOCK, SHARE_WORDS, CoinFault, CoinOrder, CoinState, Party
from custodes.link import Link, Outcome
from custodes.model import entropy
from custodes.register_map import RegisterMap
from custodes.registers import IDENTITY, IDENTITY_VALUE, WARDEN_BLOCK

COIN_MAP = RegisterMap("coin", "As much of a border as the coin flip needs.", (WARDEN_BLOCK, COIN_BLOCK))
KEYS = {speaker: Ed25519PrivateKey.from_private_bytes(bytes([65 + speaker]) * 32) for speaker in Speaker}
PUBLIC = {speaker: key.public_key().public_bytes_raw() for speaker, key in KEYS.items()}


class FakeCoin(Link):
    """What `gateware.entropy.Coin` does, at once."""

    def __init__(self, used: tuple[int, int] = (3, 4)) -> None:
        self.lanes = 1
        self.epoch = 0
        self.state = CoinState.IDLE
        self.fault = CoinFault.NONE
        self.seed: bytes | None = None
        self.seeds: list[bytes] = []
        self.ended = 0
        self.written: list[tuple[int, int]] = []
        self._used = used
        self._refused = False
        self._latched: dict[int, bytes] = {}
        self._shares: dict[int, bytes] = {}
        self._registers: dict[int, int] = {}

    def _place(self, name: str) -> int:
        return COIN_BLOCK.address(name)

    def _octets(self, name: str, first: int = 0, count: int = SHARE_WORDS) -> bytes:
        place = self._place(name) + first
        return b"".join(self._registers.get(place + at, 0).to_bytes(4, "little") for at in range(count))

    def read(self, address: int) -> int:
        if address == IDENTITY:
            return IDENTITY_VALUE
        if address == self._place("COIN_STATUS"):
            status = {"STATE": self.state, "FAULT": self.fault, "REFUSED": self._refused}
            return sum(COIN_BLOCK["COIN_STATUS"].field(name).place(int(value)) for name, value in status.items())
        used, epoch = self._place("COIN_USED"), self._place("COIN_EPOCH")
        if address in (used, used + 1):
            return self._used[address - used]
        if address in (epoch, epoch + 1):
            return self.epoch >> 32 * (address - epoch) & 0xFFFF_FFFF
        return self._registers.get(address, 0)

    def write(self, address: int, value: int) -> None:
        self.written.append((address, value))
        if address == self._place("COIN_COMMAND"):
            self._refused = False
            self._command(CoinOrder(value >> 4), value & 1)
        else:
            self._registers[address] = value

    def _command(self, order: CoinOrder, party: int) -> None:
        if order is CoinOrder.BEGIN:
            following = int.from_bytes(self._octets("COIN_NEXT", count=2), "little")
            if following <= self.epoch:
                return self._void(CoinFault.EPOCH)
            self.epoch, self.state, self.fault = following, CoinState.COMMIT, CoinFault.NONE
            self._latched, self._shares, self.seed = {}, {}, None
        elif order is CoinOrder.END:
            self.ended += 1
            self.seed = None
            if self.state is not CoinState.FAULT:
                self.state = CoinState.IDLE
        elif self.state in (CoinState.IDLE, CoinState.FAULT):
            self._refused = True
        elif order is CoinOrder.LATCH:
            self._latch(party)
        else:
            self._reveal(party)
        return None

    def _latch(self, party: int) -> None:
        if party in self._latched or self.state is not CoinState.COMMIT:
            return self._void(CoinFault.REPEATED)
        self._latched[party] = self._octets("COIN_COMMITMENT", SHARE_WORDS * party)
        if len(self._latched) == len(Party):
            self.state = CoinState.REVEAL
            if self._latched[0] == self._latched[1]:
                self._void(CoinFault.COPIED)
        return None

    def _reveal(self, party: int) -> None:
        if self.state is CoinState.COMMIT:
            return self._void(CoinFault.EARLY)
        if party in self._shares or self.state is not CoinState.REVEAL:
            return self._void(CoinFault.REPEATED)
        share, salt = (self._octets(name, SHARE_WORDS * party) for name in ("COIN_SHARE", "COIN_SALT"))
        if entropy.commitment(party, self.epoch, share, salt) != self._latched[party]:
            return self._void(CoinFault.MISMATCH)
        self._shares[party] = share
        if len(self._shares) == len(Party):
            self.seed = entropy.seed(self.epoch, self._shares[0], self._shares[1])
            self.seeds.append(self.seed)
            self.state = CoinState.DRAWN
        return None

    def _void(self, fault: CoinFault) -> None:
        self.state, self.fault, self.seed = CoinState.FAULT, fault, None

    def exchange(self, frames: object) -> list[Outcome]:
        raise AssertionError("the coin flip sends no frames")

    def close(self) -> None:
        pass


class FakeBorder:
    """What `custodes.border.open_border` gives, with a fake coin."""

    def __init__(self, *_: object) -> None:
        self.coin = DeviceCoin(Registers(FakeCoin(), COIN_MAP))

    def __enter__(self) -> FakeBorder:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def write_keys(folder: Path) -> None:
    """Private and public key of each, and a directory for transcripts."""
    for speaker, key in KEYS.items():
        (folder / f"{speaker.title}.key").write_text(key.private_bytes_raw().hex())
        (folder / f"{speaker.title}.pub").write_text(PUBLIC[speaker].hex())
    (folder / "log").mkdir()
