# SPDX-License-Identifier: Apache-2.0
"""`gateware.session.ghash.Ghash` of every number of lanes."""

from collections import deque
from typing import Any, NamedTuple

import cocotb

from gateware.session.rate import BLOCK_BYTES, Rate
from tests.cocotb_benches.designs import GHASH_LANES, SESSION_KEYS
from tests.cocotb_benches.tb import TB, Agent
from tests.gateware.stream.bench import PAUSES, Pause

AAD = "feedfacedeadbeeffeedfacedeadbeefabaddad2"
EXAMPLES = [
    ("66e94bd4ef8a2c3b884cfa59ca342b2e", "", "", "0" * 32),
    (
        "66e94bd4ef8a2c3b884cfa59ca342b2e",
        "",
        "0388dace60b6a392f328c2b971b2fe78",
        "f38cbb1ad69223dcc3457ae5b6b0f885",
    ),
    (
        "b83b533708bf535d0aa6e52980d53b78",
        "",
        "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
        "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091473f5985",
        "7f1b32b81b820d02614f8895ac1d4eac",
    ),
    (
        "b83b533708bf535d0aa6e52980d53b78",
        AAD,
        "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
        "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091",
        "698e57f70e6ecc7fd9463b7260a9ae5f",
    ),
    (
        "acbef20579b4b8ebce889bac8732dad7",
        "",
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
        "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad",
        "4db870d37cb75fcb46097c36230d1612",
    ),
    (
        "acbef20579b4b8ebce889bac8732dad7",
        AAD,
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
        "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
        "8bd0c4d8aacd391e67cca447e8c38f65",
    ),
]
"""McGrew and Viega, The Galois/Counter Mode of Operation, test cases 1 to 4, 15 and 16: hash key, additional data,
ciphertext, hash."""


def product(x: int, y: int) -> int:
    """NIST SP 800-38D, 6.3: the first bit is the highest."""
    total = 0
    for bit in range(127, -1, -1):
        total ^= y if x >> bit & 1 else 0
        y = y >> 1 ^ (0xE1 << 120 if y & 1 else 0)
    return total


def hashed(key: bytes, blocks: bytes) -> bytes:
    """NIST SP 800-38D, 6.4."""
    total, factor = 0, int.from_bytes(key)
    for at in range(0, len(blocks), BLOCK_BYTES):
        total = product(total ^ int.from_bytes(blocks[at : at + BLOCK_BYTES]), factor)
    return total.to_bytes(BLOCK_BYTES)


def coefficients(value: bytes) -> int:
    """Bit i belongs to x^i: a byte's highest bit comes first."""
    return int(f"{int.from_bytes(value):0128b}"[::-1], 2)


class Frame(NamedTuple):
    """``lead``: places before the first block that stay empty; ``note`` comes out with the hash."""

    key: int
    blocks: bytes
    lead: int
    note: bool


class Beat(NamedTuple):
    data: int
    key: int
    first: int
    last: int
    places: int
    begins: int
    ends: int
    note: int


def beats(frame: Frame, rate: Rate) -> list[Beat]:
    """`gateware.session.ghash.beat_layout`, worked out here independently of it."""
    count, chains = len(frame.blocks) // BLOCK_BYTES, rate.chains
    power_bits = (chains - 1).bit_length()
    slots: list[int | None] = [None] * frame.lead + list(range(count))
    slots += [None] * (-len(slots) % rate.blocks)
    found = []
    for at in range(0, len(slots), rate.blocks):
        numbers = slots[at : at + rate.blocks]
        places, row = 0, b""
        for place, number in enumerate(numbers):
            if number is None:
                bits, block = 1 << power_bits, bytes(BLOCK_BYTES)
            else:
                block = frame.blocks[BLOCK_BYTES * number :][:BLOCK_BYTES]
                behind = count - 1 - number
                adds, fresh = behind < chains, number < chains
                bits = min(behind, chains - 1) | fresh << power_bits | adds << power_bits + 1
            places |= bits << place * (power_bits + 2)
            row += block
        begins, ends = max(0, count - chains) in numbers, count - 1 in numbers
        for cycle in range(rate.cycles):
            data = int.from_bytes(row[rate.lanes * cycle :][: rate.lanes], "little")
            first, last = cycle == 0, cycle == rate.cycles - 1
            found.append(Beat(data, frame.key, first, last, places, begins, ends, frame.note))
    return found


class Feed(Agent):
    """Writes powers of keys, one per cycle, and sends beats, with pauses only between frames; collects the hashes."""

    def __init__(self, tb: TB, name: str, rate: Rate, idle: Pause) -> None:
        self.tb = tb
        self.rate = rate
        self.idle = idle
        self.valid, self.o_valid, self.o, self.o_note, self.power_valid = (
            getattr(tb.dut, f"{name}_{port}") for port in ("valid", "o_valid", "o", "o_note", "power_valid")
        )
        self.beat = [getattr(tb.dut, f"{name}_i_{field}") for field in Beat._fields]
        self.power = [getattr(tb.dut, f"{name}_power_{field}") for field in ("key", "power", "value")]
        self.powers: deque[tuple[int, int, int]] = deque()
        self.frames: deque[list[Beat]] = deque()
        self.ended: list[int] = []
        self.hashes: list[tuple[int, bool]] = []
        self.cycles: list[int] = []
        self._beats: deque[Beat] = deque()

    @property
    def busy(self) -> bool:
        return bool(self.frames or self._beats or self.powers)

    def sample(self) -> None:
        if self.o_valid.value:
            self.hashes.append((self.o.value, self.o_note.value == 1))
            self.cycles.append(self.tb.cycle)

    def drive(self) -> None:
        if not self._beats and self.frames and not self.idle():
            self._beats.extend(self.frames.popleft())
        self.valid.value = bool(self._beats)
        source = self.tb.random
        noise = Beat(*(source.getrandbits(len(part)) for part in self.beat))
        beat = self._beats.popleft() if self._beats else noise
        for part, value in zip(self.beat, beat, strict=True):
            part.value = value
        if beat is not noise:
            self.tb.domains[""].moved = self.tb.cycle
            if beat.last and beat.ends:
                self.ended.append(self.tb.cycle)
        self.power_valid.value = bool(self.powers)
        if self.powers:
            self.tb.domains[""].moved = self.tb.cycle
            for part, value in zip(self.power, self.powers.popleft(), strict=True):
                part.value = value

    def restart(self) -> None:
        for kept in (self.powers, self.frames, self.ended, self.hashes, self.cycles, self._beats):
            kept.clear()
        self.valid.value = 0
        self.power_valid.value = 0


class Bench:
    """The unit of so many lanes, with keys of its own choice."""

    def __init__(self, dut: Any, lanes: int, idle: str = "none") -> None:
        self.tb = TB(dut, idle)
        self.rate = Rate(lanes)
        self.feed = Feed(self.tb, f"lanes_{lanes}", self.rate, PAUSES[idle](self.tb.seed()))
        self.tb.add(self.feed)
        self.latency = 4 if lanes <= 4 else 7
        self.keys: dict[int, bytes] = {}

    async def start(self) -> None:
        await self.tb.start()
        for number in range(SESSION_KEYS):
            self.write(number, self.tb.random.randbytes(BLOCK_BYTES))
        await self.tb.finish()

    def write(self, number: int, key: bytes) -> None:
        self.keys[number] = key
        power = int.from_bytes(key)
        for at in range(self.rate.chains):
            self.feed.powers.append((number, at, coefficients(power.to_bytes(BLOCK_BYTES))))
            power = product(power, int.from_bytes(key))

    def frame(self, blocks: int, numbers: int = SESSION_KEYS) -> Frame:
        source = self.tb.random
        lead = source.randrange(self.rate.blocks)
        data = source.randbytes(BLOCK_BYTES * blocks)
        return Frame(source.randrange(numbers), data, lead, bool(source.getrandbits(1)))

    def frames(self, count: int, numbers: int = SESSION_KEYS) -> list[Frame]:
        """About as long as there are chains, some longer."""
        source = self.tb.random
        longest = 2 * self.rate.chains + 2
        return [
            self.frame(source.choice((source.randint(1, longest), source.randint(1, 40))), numbers)
            for _ in range(count)
        ]

    async def check(self, frames: list[Frame]) -> None:
        """Send them: each hash is right, and as late as it may be."""
        self.feed.frames.extend(beats(frame, self.rate) for frame in frames)
        await self.tb.finish()
        assert self.feed.hashes == [
            (coefficients(hashed(self.keys[frame.key], frame.blocks)), frame.note) for frame in frames
        ]
        assert self.feed.cycles == [cycle + self.latency for cycle in self.feed.ended]
        self.feed.restart()


@cocotb.test()
@cocotb.parametrize(lanes=GHASH_LANES)
async def gives_the_hashes_of_the_test_cases(dut: Any, lanes: int) -> None:
    """Those of the algorithm's authors."""
    bench = Bench(dut, lanes)
    await bench.start()
    for key, aad, text, result in EXAMPLES:
        bench.write(0, bytes.fromhex(key))
        await bench.tb.finish()
        parts = [bytes.fromhex(part) for part in (aad, text)]
        blocks = b"".join(part + bytes(-len(part) % BLOCK_BYTES) for part in parts)
        blocks += b"".join((8 * len(part)).to_bytes(8) for part in parts)
        assert hashed(bench.keys[0], blocks).hex() == result
        await bench.check([Frame(0, blocks, lead, False) for lead in range(bench.rate.blocks)])


@cocotb.test()
@cocotb.parametrize(lanes=GHASH_LANES, idle=list(PAUSES))
async def hashes_each_frame_with_its_key_and_in_the_same_time(dut: Any, lanes: int, idle: str) -> None:
    """Without pauses, frames are back to back."""
    bench = Bench(dut, lanes, idle)
    await bench.start()
    await bench.check(bench.frames(60))


@cocotb.test()
@cocotb.parametrize(lanes=GHASH_LANES)
async def hashes_frames_of_every_length_about_its_chains(dut: Any, lanes: int) -> None:
    bench = Bench(dut, lanes)
    await bench.start()
    await bench.check([bench.frame(blocks) for blocks in range(1, 3 * bench.rate.chains + 2)])


@cocotb.test()
@cocotb.parametrize(lanes=GHASH_LANES)
async def writes_a_key_while_others_are_used(dut: Any, lanes: int) -> None:
    bench = Bench(dut, lanes)
    await bench.start()
    for _ in range(3):
        bench.write(SESSION_KEYS - 1, bench.tb.random.randbytes(BLOCK_BYTES))
        await bench.check(bench.frames(10, SESSION_KEYS - 1))
        await bench.check([bench.frame(blocks)._replace(key=SESSION_KEYS - 1) for blocks in (1, 2, 30)])


@cocotb.test()
@cocotb.parametrize(lanes=GHASH_LANES)
async def reset_forgets_frames_and_leaves_keys(dut: Any, lanes: int) -> None:
    bench = Bench(dut, lanes, "often")
    await bench.start()
    for _ in range(5):
        bench.feed.frames.extend(beats(frame, bench.rate) for frame in bench.frames(20))
        await bench.tb.cycles(bench.tb.random.randrange(4, 60))
        await bench.tb.reset()
        await bench.check(bench.frames(5))
