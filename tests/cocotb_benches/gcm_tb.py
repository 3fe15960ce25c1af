# SPDX-License-Identifier: Apache-2.0
"""The bench of `Gcm`, whether it seals or opens: what drives it, what collects its results, what they should be."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

from cocotb.triggers import RisingEdge, with_timeout
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateware.session.frames import IV_BYTES, MAX_BYTES
from gateware.session.rate import BLOCK_BYTES, Rate
from tests.cocotb_benches.codecs import Beat, Codec, FrameCodec, PieceCodec
from tests.cocotb_benches.designs import SESSION_KEYS, design_under_test
from tests.cocotb_benches.gcm_vectors import Vector
from tests.cocotb_benches.tb import TB, TIMEOUT_US, Agent
from tests.gateware.stream.bench import PAUSES
from tests.gateware.stream.bench import Frame as Text

KEY_BYTES, SHORT_KEY_BYTES, WORD_BYTES = 32, 16, 4
QUIET_CYCLES = 256
"""No frame waits so long for its tag once nothing is in its way."""
ORDER_CYCLES = 1000
"""No order takes so long, even where it has to wait for long frames."""


class Frame(NamedTuple):
    """``text`` goes in and ``result`` comes out, with ``tag`` or, where frames are opened, if ``good``."""

    key: int
    short: bool
    iv: bytes
    aad: bytes
    text: bytes
    tag: bytes
    result: bytes
    good: bool = True


class TupleCodec(Codec[Beat]):
    """A beat is an item."""

    def __init__(self, fields: Sequence[str]) -> None:
        self.fields = tuple(fields)

    def beats(self, item: Beat) -> list[Beat]:
        return [item]

    def take(self, beat: Beat) -> Beat:
        return beat


class BlocksCodec(Codec[bytes]):
    """All beats of a frame are an item."""

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        self._sizes: deque[int] = deque()
        self._taken = b""

    def beats(self, item: bytes) -> list[Beat]:
        self._sizes.append(len(item))
        starts = range(0, len(item), self.lanes)
        return [(int.from_bytes(item[start : start + self.lanes], "little"),) for start in starts]

    def take(self, beat: Beat) -> bytes | None:
        self._taken += beat[0].to_bytes(self.lanes, "little")
        if len(self._taken) < self._sizes[0]:
            return None
        taken, self._taken = self._taken, b""
        self._sizes.popleft()
        return taken

    @property
    def under_way(self) -> bool:
        return bool(self._taken)

    def restart(self) -> None:
        self._sizes.clear()
        self._taken = b""


class Loader(Agent):
    """Pushes keys, word by word, and gives orders; ``done`` has the cycles in which they were carried out."""

    def __init__(self, tb: TB) -> None:
        self.tb = tb
        dut = tb.dut
        self.word_valid, self.word, self.valid, self.ready = dut.word_valid, dut.word, dut.order_valid, dut.order_ready
        self.order = [getattr(dut, f"order_payload_{field}") for field in ("key", "short", "wipe")]
        self.done: list[int] = []
        self._steps: deque[int | tuple[int, bool, bool]] = deque()
        self._since: int | None = None

    @property
    def busy(self) -> bool:
        return bool(self._steps) or self._since is not None

    def wipe(self, number: int) -> None:
        self._steps.append((number, False, True))

    def push(self, key: bytes) -> None:
        filled = key.ljust(KEY_BYTES, b"\0")
        starts = range(0, KEY_BYTES, WORD_BYTES)
        self._steps.extend(int.from_bytes(filled[start : start + WORD_BYTES], "little") for start in starts)

    def load(self, number: int, short: bool) -> None:
        """What has been pushed."""
        self._steps.append((number, short, False))

    def sample(self) -> None:
        if self._since is None:
            return
        self.tb.domains[""].moved = self.tb.cycle
        if self.ready.value:
            self._since = None
            self.done.append(self.tb.cycle)
        else:
            assert self.tb.cycle - self._since < ORDER_CYCLES, "an order is stuck"

    def drive(self) -> None:
        step = self._steps.popleft() if self._steps and self._since is None else None
        self.word_valid.value = isinstance(step, int)
        if isinstance(step, int):
            self.word.value = step
        elif step is not None:
            self._since = self.tb.cycle
            for part, value in zip(self.order, step, strict=True):
                part.value = value
        self.valid.value = self._since is not None

    async def alone(self) -> None:
        """Do all that there is to do, while nothing else goes on and nobody looks on: so it is quicker."""
        while self.busy:
            self.drive()
            if self._since is not None:
                await with_timeout(RisingEdge(self.ready.handle), TIMEOUT_US, "us")
                self._since = None
            await RisingEdge(self.tb.domains[""].clk)
        self.drive()

    def restart(self) -> None:
        self._steps.clear()
        self.done.clear()
        self._since = None
        self.word_valid.value = self.valid.value = 0


class Results(Agent):
    """Collects tags or verdicts, and the text that is sealed; says in ``text_cycles`` when text came, in ``tag_cycles``
    when the others did. Checks ``busy``."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.dut = dut = bench.tb.dut
        self.text_valid = dut.text_valid if bench.opens else dut.o_valid
        self.o = [] if bench.opens else [dut.o_data, dut.o_count, dut.o_last]
        self.codec = PieceCodec(bench.rate.lanes)
        self.texts: list[bytes] = []
        self.tags: list[bytes] = []
        self.verdicts: list[bool] = []
        self.text_cycles: list[int] = []
        self.tag_cycles: list[int] = []

    def sample(self) -> None:
        cycle, dut = self.bench.tb.cycle, self.dut
        # What transfers at the edge to come is not yet inside: ports are sampled before this.
        begun = self.bench.frame.cycles
        inside = len(begun) - (bool(begun) and begun[-1] == cycle) - len(self.tag_cycles)
        tag = dut.tag_valid.value == 1
        assert inside >= tag, "a tag without a frame"
        assert inside == tag or dut.busy.value == 1, "not busy with frames inside"
        if self.text_valid.value:
            self.text_cycles.append(cycle)
            if not self.bench.opens:
                self._take(tuple(part.value for part in self.o))
        if tag:
            self.tag_cycles.append(cycle)
            self.bench.tb.domains[""].moved = cycle
            if self.bench.opens:
                self.verdicts.append(dut.good.value == 1)
            else:
                self.tags.append(dut.tag.value.to_bytes(BLOCK_BYTES, "little"))

    def _take(self, beat: Beat) -> None:
        broken = self.codec.broken_rule(beat)
        assert not broken, broken
        text = self.codec.take(beat)
        if text is not None:
            self.texts.append(text)

    def restart(self) -> None:
        self.codec.restart()
        for kept in (self.texts, self.tags, self.verdicts, self.text_cycles, self.tag_cycles):
            kept.clear()


class Watch(Agent):
    """Sees all outputs that say when something is done, in each cycle; and of text how much there is, when there is any."""

    def __init__(self, bench: Bench) -> None:
        dut = bench.tb.dut
        names = ["frame_ready", "i_ready", "tag_valid", "busy", "order_ready"]
        self.signals = [getattr(dut, name) for name in names]
        self.text_valid = bench.results.text_valid
        self.text = [] if bench.opens else [dut.o_count, dut.o_last]
        self.seen: list[tuple[int, ...]] = []
        bench.tb.add(self)

    def sample(self) -> None:
        text = [1, *(part.value for part in self.text)] if self.text_valid.value else []
        self.seen.append((*(signal.value for signal in self.signals), *text))


class Bench:
    """The engine with keys of its own choice, long and short ones in turn. Where it opens, the gate lets its text out."""

    def __init__(self, dut: Any, idle: str = "none") -> None:
        self.tb = TB(dut, idle)
        self.opens = hasattr(dut, "frame_payload_tag")
        self.rate = Rate(design_under_test().lanes)
        fields = ("key", "short", "iv", "aad", "text")
        self.frame = self.tb.source("frame", TupleCodec((*fields, "tag") if self.opens else fields))
        self.i = self.tb.source("i", BlocksCodec(self.rate.lanes))
        self.pause(idle, self.tb.seed())
        self.loader = Loader(self.tb)
        self.tb.add(self.loader)
        self.results = Results(self)
        self.tb.add(self.results)
        self.o = self.tb.sink("o", FrameCodec(self.rate.lanes, self.tb.seed())) if self.opens else None
        self.keys: dict[int, bytes] = {}
        dut.forget.value = 0

    def pause(self, idle: str, seed: int) -> None:
        """Between the frames, and between those and what they begin with."""
        pause = PAUSES[idle](seed)
        self.frame.idle = PAUSES[idle](seed + 1)
        self.i.idle = lambda: not self.i.codec.under_way and pause()

    async def start(self) -> None:
        await self.tb.start()
        for number in range(SESSION_KEYS):
            self.load(number, self.tb.random.randbytes(SHORT_KEY_BYTES if number % 2 else KEY_BYTES))
        await self.tb.finish()

    def load(self, number: int, key: bytes) -> None:
        """In place of the one before."""
        self.keys[number] = key
        self.loader.wipe(number)
        self.loader.push(key)
        self.loader.load(number, len(key) == SHORT_KEY_BYTES)

    async def load_alone(self, keys: Sequence[bytes]) -> None:
        """Load keys 0 and so on while nothing else goes on. Text that came out meanwhile would be found afterwards."""
        domain = self.tb.domains[""]
        if self.o is not None:
            self.o.ready.value = 0
        agents, domain.agents = domain.agents, []
        for number, key in enumerate(keys):
            self.load(number, key)
        await self.loader.alone()
        domain.agents = agents
        domain.moved = self.tb.cycle

    def sealed(self, number: int, iv: bytes, aad: bytes, plain: bytes) -> Frame:
        """A frame that should come out as ``cryptography`` makes it."""
        key = self.keys[number]
        whole = AESGCM(key).encrypt(iv, plain, aad)
        cipher, tag = whole[: len(plain)], whole[len(plain) :]
        text, result = (cipher, plain) if self.opens else (plain, cipher)
        return Frame(number, len(key) == SHORT_KEY_BYTES, iv, aad, text, tag, result)

    def given(self, vector: Vector, number: int) -> Frame:
        """The vector as a frame of key ``number``."""
        plain = vector.plain or b""
        text, result = (vector.sealed, plain) if self.opens else (plain, vector.sealed)
        short = len(vector.key) == SHORT_KEY_BYTES
        return Frame(number, short, vector.iv, vector.aad, text, vector.tag, result, vector.plain is not None)

    def random_frame(self, number: int, aad: int, text: int) -> Frame:
        source = self.tb.random
        return self.sealed(number, source.randbytes(IV_BYTES), source.randbytes(aad), source.randbytes(text))

    def frames(self, sizes: Sequence[tuple[int, int]], numbers: Sequence[int] = range(SESSION_KEYS)) -> list[Frame]:
        """Of these sizes of additional data and text; with two keys or more, each with another than the one before."""
        found: list[Frame] = []
        for aad, text in sizes:
            others = [number for number in numbers if not found or len(numbers) == 1 or number != found[-1].key]
            found.append(self.random_frame(self.tb.random.choice(others), aad, text))
        return found

    def sizes(self, count: int) -> list[tuple[int, int]]:
        """Many short ones, and the longest and shortest."""
        source = self.tb.random

        def size() -> int:
            return source.choice((0, 28, source.randint(1, 70), source.randint(1, 70), source.randint(0, MAX_BYTES)))

        return [
            (0, 0),
            (MAX_BYTES, MAX_BYTES),
            (0, MAX_BYTES),
            (MAX_BYTES, 0),
            *((size(), size()) for _ in range(count)),
        ]

    def forged(self, frame: Frame) -> Frame:
        """With one bit changed."""
        names = ["iv", "tag", *(["aad"] if frame.aad else []), *(["text"] if frame.text else [])]
        name = self.tb.random.choice(names)
        value = bytearray(getattr(frame, name))
        value[self.tb.random.randrange(len(value))] ^= 1 << self.tb.random.randrange(8)
        return frame._replace(**{name: bytes(value)}, good=False)

    def beats_of(self, frame: Frame) -> bytes:
        aad = frame.aad + bytes(-len(frame.aad) % BLOCK_BYTES)
        lead = bytes(-len(aad) % (BLOCK_BYTES * self.rate.blocks))
        return lead + aad + frame.text + self.tb.random.randbytes(-len(frame.text) % self.rate.lanes)

    def send(self, frames: Sequence[Frame]) -> None:
        for frame in frames:
            header = (frame.key, frame.short, int.from_bytes(frame.iv, "little"), len(frame.aad), len(frame.text))
            self.frame.send([(*header, int.from_bytes(frame.tag, "little")) if self.opens else header])
            beats = self.beats_of(frame)
            self.i.send([beats] if beats else [])

    async def wait(self, count: int) -> None:
        """For so many tags or verdicts since the last check."""
        domain = self.tb.domains[""]
        while len(self.results.tag_cycles) < count:
            assert self.tb.cycle - domain.moved < QUIET_CYCLES, "a frame is stuck"
            await self.tb.cycles(4)

    async def check(self, frames: Sequence[Frame]) -> None:
        """Wait for the results of all frames that were sent since the last check: these."""
        await self.wait(len(frames))
        results = self.results
        texts = [frame.result for frame in frames if frame.good and frame.result]
        if self.o is not None:
            assert results.verdicts == [frame.good for frame in frames]
            await self.o.expect([Text(text) for text in texts])
            assert self.tb.dut.lost.value == 0, "the harness lost text"
        else:
            assert results.texts == texts
            assert [tag[: len(frame.tag)] for tag, frame in zip(results.tags, frames, strict=True)] == [
                frame.tag for frame in frames
            ]
        await self.tb.finish()
        assert len(results.tag_cycles) == len(frames)
        results.restart()
        self.frame.cycles.clear()
        self.i.cycles.clear()

    def cycles_of(self, frame: Frame) -> int:
        """That a frame takes: blocks of additional data, at least one, of text, and one for the lengths."""
        aad, text = (-(-len(part) // BLOCK_BYTES) for part in (frame.aad, frame.text))
        side_by_side = self.rate.blocks
        return self.rate.cycles * (-(-max(1, aad) // side_by_side) - (-(text + 1) // side_by_side))
