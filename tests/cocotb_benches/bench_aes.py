# SPDX-License-Identifier: Apache-2.0
"""`gateware.session.aes.Aes` of every number of lanes."""

from collections import deque
from typing import Any, NamedTuple

import cocotb
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from gateware.session.aes import UNIT_CYCLES, Use, first_round
from gateware.session.rate import BLOCK_BYTES, Rate
from gateware.session.sbox import SBOX
from tests.cocotb_benches.codecs import Beat, Codec
from tests.cocotb_benches.designs import AES_LANES, SESSION_KEYS
from tests.cocotb_benches.tb import TB, Agent
from tests.gateware.stream.bench import PAUSES

EXAMPLES = [
    ("2b7e151628aed2a6abf7158809cf4f3c", "3243f6a8885a308d313198a2e0370734", "3925841d02dc09fbdc118597196a0b32"),
    ("000102030405060708090a0b0c0d0e0f", "00112233445566778899aabbccddeeff", "69c4e0d86a7b0430d8cdb78070b4c55a"),
    (
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        "00112233445566778899aabbccddeeff",
        "8ea2b7ca516745bfeafc49904b496089",
    ),
]
"""FIPS 197, appendices B, C.1 and C.3: key, plaintext, ciphertext."""


def round_keys(key: bytes) -> list[bytes]:
    """FIPS 197, 5.2."""
    length, constant = len(key) // 4, 1
    words = [key[at : at + 4] for at in range(0, len(key), 4)]
    for number in range(length, 4 * (length + 7)):
        word = words[-1]
        if number % length == 0:
            word = bytes(SBOX[byte] for byte in word[1:] + word[:1])
            word = bytes([word[0] ^ constant]) + word[1:]
            constant = constant << 1 ^ (0x11B if constant & 0x80 else 0)
        elif length == 8 and number % 8 == 4:
            word = bytes(SBOX[byte] for byte in word)
        words.append(bytes(a ^ b for a, b in zip(words[number - length], word, strict=True)))
    return [b"".join(words[at : at + 4]) for at in range(0, len(words), 4)]


def encrypted(key: bytes, blocks: bytes) -> bytes:
    return Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(blocks)


class Request(NamedTuple):
    blocks: bytes
    key: int
    short: bool
    use: Use


class Reply(NamedTuple):
    blocks: bytes
    use: Use


class RequestCodec(Codec[Request]):
    fields = ("blocks", "key", "short", "use")

    def __init__(self, rate: Rate) -> None:
        self.size = BLOCK_BYTES * rate.blocks

    def beats(self, item: Request) -> list[Beat]:
        return [(int.from_bytes(item.blocks, "little"), item.key, item.short, item.use.value)]

    def take(self, beat: Beat) -> Request:
        blocks, key, short, use = beat
        return Request(blocks.to_bytes(self.size, "little"), key, bool(short), Use(use))


class Writer(Agent):
    """Writes round keys, one per cycle."""

    def __init__(self, tb: TB, name: str) -> None:
        self.tb = tb
        self.valid = getattr(tb.dut, f"{name}_row_valid")
        self.row = [getattr(tb.dut, f"{name}_row_{field}") for field in ("key", "round", "value")]
        self.rows: deque[tuple[int, int, int]] = deque()

    @property
    def busy(self) -> bool:
        return bool(self.rows)

    def drive(self) -> None:
        self.valid.value = bool(self.rows)
        if self.rows:
            self.tb.domains[""].moved = self.tb.cycle
            for part, value in zip(self.row, self.rows.popleft(), strict=True):
                part.value = value

    def restart(self) -> None:
        self.rows.clear()
        self.valid.value = 0


class Replies(Agent):
    """Collects what comes out, in ``cycles``."""

    def __init__(self, tb: TB, name: str, rate: Rate) -> None:
        self.tb = tb
        self.valid, self.blocks, self.use = (
            getattr(tb.dut, f"{name}_o_{field}") for field in ("valid", "blocks", "use")
        )
        self.size = BLOCK_BYTES * rate.blocks
        self.received: list[Reply] = []
        self.cycles: list[int] = []

    def sample(self) -> None:
        if self.valid.value:
            self.cycles.append(self.tb.cycle)
            self.received.append(Reply(self.blocks.value.to_bytes(self.size, "little"), Use(self.use.value)))

    def restart(self) -> None:
        self.received.clear()
        self.cycles.clear()


class Bench:
    """The unit of so many lanes, with keys of its own choice, long and short ones in turn."""

    def __init__(self, dut: Any, lanes: int, idle: str = "none") -> None:
        self.tb = TB(dut, idle)
        self.rate = Rate(lanes)
        name = f"lanes_{lanes}"
        self.i = self.tb.source(f"{name}_i", RequestCodec(self.rate))
        self.writer = Writer(self.tb, name)
        self.replies = Replies(self.tb, name, self.rate)
        self.tb.add(self.writer)
        self.tb.add(self.replies)
        self.keys: dict[int, bytes] = {}

    async def start(self) -> None:
        await self.tb.start()
        for number in range(SESSION_KEYS):
            self.write(number, self.tb.random.randbytes(16 if number % 2 else 32))
        await self.tb.finish()

    def write(self, number: int, key: bytes) -> None:
        """Rounds before the key's first one have zeros."""
        self.keys[number] = key
        rows = [int.from_bytes(row, "little") for row in round_keys(key)]
        first = first_round(self.rate, len(key) == 16)
        self.writer.rows.extend((number, at, 0) for at in range(first))
        self.writer.rows.extend((number, first + at, row) for at, row in enumerate(rows))

    def request(self, number: int) -> Request:
        blocks = self.tb.random.randbytes(BLOCK_BYTES * self.rate.blocks)
        return Request(blocks, number, len(self.keys[number]) == 16, self.tb.random.choice(list(Use)))

    def requests(self, count: int, numbers: int = SESSION_KEYS) -> list[Request]:
        return [self.request(self.tb.random.randrange(numbers)) for _ in range(count)]

    async def check(self, requests: list[Request]) -> None:
        """They are all encrypted, in order, in the time that it takes."""
        await self.tb.finish()
        expected = [Reply(encrypted(self.keys[one.key], one.blocks), one.use) for one in requests]
        assert self.replies.received == expected
        latency = UNIT_CYCLES * self.rate.rounds + 1
        assert self.replies.cycles == [cycle + latency for cycle in self.i.cycles]
        self.replies.restart()
        self.i.cycles.clear()


@cocotb.test()
@cocotb.parametrize(lanes=AES_LANES)
async def gives_the_examples_of_the_standard(dut: Any, lanes: int) -> None:
    bench = Bench(dut, lanes)
    await bench.start()
    requests, replies = [], []
    for number, (key, plain, secret) in enumerate(EXAMPLES):
        bench.write(number, bytes.fromhex(key))
        requests.append(Request(bytes.fromhex(plain) * bench.rate.blocks, number, len(key) == 32, Use.TEXT))
        replies.append(Reply(bytes.fromhex(secret) * bench.rate.blocks, Use.TEXT))
    await bench.tb.finish()
    bench.i.send(requests)
    await bench.tb.finish()
    assert bench.replies.received == replies


@cocotb.test()
@cocotb.parametrize(lanes=AES_LANES, idle=list(PAUSES))
async def encrypts_each_block_with_its_key_and_in_the_same_time(dut: Any, lanes: int, idle: str) -> None:
    bench = Bench(dut, lanes, idle)
    await bench.start()
    requests = bench.requests(150)
    bench.i.send(requests)
    await bench.check(requests)


@cocotb.test()
@cocotb.parametrize(lanes=AES_LANES)
async def takes_blocks_at_its_rate(dut: Any, lanes: int) -> None:
    """As many as have a place inside come one after the other; a place is free again when its block is out."""
    bench = Bench(dut, lanes)
    await bench.start()
    places = UNIT_CYCLES * bench.rate.units
    bench.i.send(bench.requests(4 * places))
    await bench.tb.sources_done()
    cycles = bench.i.cycles
    assert cycles[places - 1] - cycles[0] == places - 1
    assert {after - before for before, after in zip(cycles, cycles[places:], strict=False)} == {
        places * bench.rate.cycles
    }
    await bench.tb.finish()


@cocotb.test()
@cocotb.parametrize(lanes=AES_LANES)
async def writes_a_key_while_others_are_used(dut: Any, lanes: int) -> None:
    bench = Bench(dut, lanes, "often")
    await bench.start()
    for size in (16, 32, 16):
        requests = bench.requests(60, SESSION_KEYS - 1)
        bench.i.send(requests)
        bench.write(SESSION_KEYS - 1, bench.tb.random.randbytes(size))
        await bench.check(requests)
        requests = [bench.request(SESSION_KEYS - 1) for _ in range(5)]
        bench.i.send(requests)
        await bench.check(requests)


@cocotb.test()
@cocotb.parametrize(lanes=AES_LANES)
async def takes_its_time_whatever_keys_and_blocks_are(dut: Any, lanes: int) -> None:
    """Offered without a pause, blocks of two runs with nothing in common are taken and come out in the same cycles."""
    bench = Bench(dut, lanes)
    await bench.start()
    runs = []
    for _ in range(2):
        await bench.tb.reset()
        start = bench.tb.cycle
        bench.i.send(bench.requests(100))
        await bench.tb.finish()
        runs.append([cycle - start for cycle in (*bench.i.cycles, *bench.replies.cycles)])
    assert len(runs[0]) == 200
    assert runs[0] == runs[1]


@cocotb.test()
@cocotb.parametrize(lanes=AES_LANES)
async def reset_forgets_blocks_and_leaves_keys(dut: Any, lanes: int) -> None:
    bench = Bench(dut, lanes, "often")
    await bench.start()
    for _ in range(5):
        bench.i.send(bench.requests(100))
        await bench.tb.cycles(bench.tb.random.randrange(4, 80))
        await bench.tb.reset()
        requests = bench.requests(10)
        bench.i.send(requests)
        await bench.check(requests)
