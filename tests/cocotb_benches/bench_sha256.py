# SPDX-License-Identifier: Apache-2.0
"""`gateware.hash.Sha256`: NIST's vectors of the package ``cryptography_vectors``, and hashlib."""

import hashlib
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import cocotb
import cryptography_vectors

from gateware.hash.sha256 import BLOCK_CYCLES, BLOCK_WORDS
from tests.cocotb_benches.codecs import Beat, Codec
from tests.cocotb_benches.tb import TB
from tests.gateware.stream.bench import PAUSES

FOLDER = Path(cryptography_vectors.__file__).parent / "hashes" / "SHA2"
INITIAL = 0x6A09E667_BB67AE85_3C6EF372_A54FF53A_510E527F_9B05688C_1F83D9AB_5BE0CD19
"""FIPS 180-4, 5.3.3."""
MONTE_CARLO_COUNTS = 1
"""Of the hundred of which each takes a thousand digests."""


class Word(NamedTuple):
    word: int
    first: bool


class WordsCodec(Codec[Word]):
    fields = ("word", "first")

    def beats(self, item: Word) -> list[Beat]:
        return [(item.word, int(item.first))]

    def take(self, beat: Beat) -> Word:
        return Word(beat[0], bool(beat[1]))


def words(message: bytes) -> list[Word]:
    """FIPS 180-4, 5.1.1: a one, zeros, and the length in bits."""
    padded = message + b"\x80" + bytes((55 - len(message)) % 64) + (8 * len(message)).to_bytes(8)
    return [Word(int.from_bytes(padded[at : at + 4]), at == 0) for at in range(0, len(padded), 4)]


def digest(message: bytes) -> int:
    return int.from_bytes(hashlib.sha256(message).digest())


def records(name: str) -> Iterator[dict[str, str]]:
    """Of a file of vectors."""
    for record in (FOLDER / name).read_text().split("\n\n"):
        fields = dict(line.split(" = ", 1) for line in record.splitlines() if " = " in line)
        if "MD" in fields:
            yield fields


class Bench:
    def __init__(self, dut: Any, idle: str = "none") -> None:
        self.dut = dut
        self.tb = TB(dut, idle)
        self.words = self.tb.source("i", WordsCodec())
        dut.clear.value = 0

    async def quiet(self) -> None:
        """All words are taken, and nothing is under way."""
        while self.words.busy or self.dut.busy.value == 1:
            await self.tb.cycles(1)

    async def digest(self, message: bytes) -> int:
        self.words.send(words(message))
        await self.quiet()
        return int(self.dut.state.value)

    async def clear(self) -> None:
        self.dut.clear.value = 1
        await self.tb.cycles(2)
        self.words.restart()
        self.dut.clear.value = 0


async def passes(bench: Bench, vectors: Iterable[dict[str, str]]) -> int:
    count = 0
    for fields in vectors:
        message = bytes.fromhex(fields["Msg"])[: int(fields["Len"]) // 8]
        assert await bench.digest(message) == int(fields["MD"], 16), fields["Msg"]
        count += 1
    return count


@cocotb.test()
@cocotb.parametrize(idle=list(PAUSES))
async def passes_the_short_messages_of_nist(dut: Any, idle: str) -> None:
    bench = Bench(dut, idle)
    await bench.tb.start()
    assert await passes(bench, records("SHA256ShortMsg.rsp")) == 65


@cocotb.test()
async def passes_the_long_messages_of_nist(dut: Any) -> None:
    bench = Bench(dut)
    await bench.tb.start()
    assert await passes(bench, records("SHA256LongMsg.rsp")) == 64


@cocotb.test()
async def passes_the_monte_carlo_test_of_nist(dut: Any) -> None:
    bench = Bench(dut)
    await bench.tb.start()
    seed = next(line for line in (FOLDER / "SHA256Monte.rsp").read_text().splitlines() if line.startswith("Seed"))
    found = int(seed.partition(" = ")[2], 16)
    for fields in list(records("SHA256Monte.rsp"))[:MONTE_CARLO_COUNTS]:
        last = [found] * 3
        for _ in range(1000):
            last = [*last[1:], await bench.digest(b"".join(part.to_bytes(32) for part in last))]
        found = last[-1]
        assert found == int(fields["MD"], 16)


@cocotb.test()
@cocotb.parametrize(idle=list(PAUSES))
async def digests_messages_of_random_lengths(dut: Any, idle: str) -> None:
    bench = Bench(dut, idle)
    await bench.tb.start()
    for _ in range(60):
        message = bench.tb.random.randbytes(bench.tb.random.randrange(300))
        assert await bench.digest(message) == digest(message)


@cocotb.test()
async def takes_a_block_in_65_cycles(dut: Any) -> None:
    bench = Bench(dut)
    await bench.tb.start()
    message = bench.tb.random.randbytes(20 * 64)
    assert await bench.digest(message) == digest(message)
    begins = bench.words.cycles[::BLOCK_WORDS]
    assert len(begins) == 21
    assert {later - earlier for earlier, later in pairwise(begins)} == {BLOCK_CYCLES}
    assert BLOCK_CYCLES <= 65


@cocotb.test()
async def a_message_follows_another_without_a_pause(dut: Any) -> None:
    bench = Bench(dut)
    await bench.tb.start()
    lost, message = (bench.tb.random.randbytes(size) for size in (130, 70))
    bench.words.send(words(lost))
    assert await bench.digest(message) == digest(message)
    begins = bench.words.cycles[::BLOCK_WORDS]
    assert begins[-1] - begins[0] == (len(begins) - 1) * BLOCK_CYCLES


@cocotb.test()
@cocotb.parametrize(after=[0, 1, 2, 15, 16, 17, 40, 62, 63, 64, 65, 66, 67, 68, 69, 90])
async def clear_and_reset_forget_what_was_under_way(dut: Any, after: int) -> None:
    bench = Bench(dut)
    await bench.tb.start()
    message = bench.tb.random.randbytes(100)
    for forget in (bench.clear, bench.tb.reset):
        assert await bench.digest(message) == digest(message)
        bench.words.send(words(message))
        await bench.tb.cycles(after)
        await forget()
        await bench.tb.cycles(1)
        assert (int(dut.busy.value), int(dut.state.value)) == (0, INITIAL)
        # Without its first word marked, a block goes on from what is left: the state before a message.
        states = []
        for _ in range(2):
            bench.words.send(word._replace(first=False) for word in words(b"abc"))
            await bench.quiet()
            states.append(int(dut.state.value))
            await forget()
            await bench.tb.cycles(1)
        assert states == [digest(b"abc")] * 2
        assert await bench.digest(message) == digest(message)
