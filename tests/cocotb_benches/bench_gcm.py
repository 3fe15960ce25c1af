# SPDX-License-Identifier: Apache-2.0
"""`gateware.session.gcm.Gcm`, which seals, or opens in front of a `Gate`."""

import itertools
import os
from collections.abc import Sequence
from typing import Any

import cocotb

from gateware.session.frames import MAX_BYTES
from gateware.session.rate import BLOCK_BYTES
from tests.cocotb_benches.designs import DESIGN_VARIABLE, SESSION_KEYS
from tests.cocotb_benches.gcm_tb import KEY_BYTES, ORDER_CYCLES, SHORT_KEY_BYTES, Bench, Watch
from tests.cocotb_benches.gcm_vectors import vectors, zero_keyed
from tests.gateware.stream.bench import PAUSES

OPENS = os.environ.get(DESIGN_VARIABLE, "").startswith("gcm_open")
TO_SEAL, TO_SEAL_WITH_WHOLE_TAG = 5250, 750
TO_OPEN, TO_OPEN_WITH_WHOLE_TAG, TO_REJECT = 5250, 750, 387
"""Vectors of NIST."""
SMALLEST, LONG = (28, 48), (28, 1500)
"""Sizes of additional data and text in MACsec frames."""
SMALLEST_CYCLES = {1: 96, 2: 48, 4: 24, 8: 12, 16: 6, 64: 2}
LONG_CYCLES = {1: 1552, 2: 776, 4: 388, 8: 194, 16: 97, 64: 25}
"""Lanes -> how many cycles after the tag of the frame before, whatever that is, the tag of such a frame comes."""


@cocotb.test()
async def gives_the_answers_of_nist(dut: Any) -> None:
    """To seal: every vector at 8 lanes, otherwise those with whole tags. To open: those with whole tags, for others are not
    taken; of those to be rejected not a byte comes out."""
    bench = Bench(dut)
    await bench.tb.start()
    found = vectors(bench.opens)
    assert len(found) == (TO_OPEN if bench.opens else TO_SEAL)
    if bench.opens or bench.rate.lanes != 8:
        found = [vector for vector in found if len(vector.tag) == BLOCK_BYTES]
        assert len(found) == (TO_OPEN_WITH_WHOLE_TAG if bench.opens else TO_SEAL_WITH_WHOLE_TAG)
    assert sum(vector.plain is None for vector in found) == (TO_REJECT if bench.opens else 0)
    done = 0
    for batch in (found[at : at + SESSION_KEYS] for at in range(0, len(found), SESSION_KEYS)):
        await bench.load_alone([vector.key for vector in batch])
        frames = [bench.given(vector, number) for number, vector in enumerate(batch)]
        bench.send(frames)
        await bench.check(frames)
        done += len(frames)
    dut._log.info("%d vectors of NIST", done)
    assert done == len(found)


@cocotb.test()
@cocotb.parametrize(idle=list(PAUSES))
async def takes_frames_of_any_length_each_with_another_key(dut: Any, idle: str) -> None:
    """Without pauses, back to back. Some are forged where they are opened."""
    bench = Bench(dut, idle)
    await bench.start()
    frames = bench.frames(bench.sizes(50))
    if bench.opens:
        frames = [bench.forged(frame) if bench.tb.random.random() < 0.3 else frame for frame in frames]
    bench.send(frames)
    await bench.check(frames)


@cocotb.test()
async def takes_every_length_about_a_beat_and_a_chain(dut: Any) -> None:
    bench = Bench(dut)
    await bench.start()
    lanes, chain = bench.rate.lanes, bench.rate.chains * BLOCK_BYTES
    ends = sorted({end + by for end in (1, BLOCK_BYTES, lanes, 2 * lanes, chain, 2 * chain) for by in (-1, 0, 1)})
    frames = bench.frames([(aad, text) for aad in (0, 1, BLOCK_BYTES, 28, lanes + 1) for text in ends])
    bench.send(frames)
    await bench.check(frames)


@cocotb.test(skip=not OPENS)
async def rejects_a_tag_with_any_bit_changed(dut: Any) -> None:
    bench = Bench(dut)
    await bench.start()
    frames = bench.frames([SMALLEST] * (8 * BLOCK_BYTES))
    for bit, frame in enumerate(frames):
        tag = int.from_bytes(frame.tag, "little") ^ 1 << bit
        frames[bit] = frame._replace(tag=tag.to_bytes(BLOCK_BYTES, "little"), good=False)
    bench.send(frames)
    await bench.check(frames)


@cocotb.test()
async def loses_no_cycle_between_frames_and_keys(dut: Any) -> None:
    """A block takes as long as it must, additional data begins in a beat of its own, and text comes a cycle after it went
    in."""
    bench = Bench(dut)
    await bench.start()
    lanes, source = bench.rate.lanes, bench.tb.random
    short = [(source.randrange(100), source.randrange(100)) for _ in range(40)]
    rare = [(MAX_BYTES, MAX_BYTES), SMALLEST, (0, 0), (0, 1), (1, 0), SMALLEST]
    for sizes in ([SMALLEST] * 40, [LONG] * 5, [SMALLEST, LONG] * 3, rare, short):
        frames = bench.frames(sizes)
        bench.send(frames)
        await bench.wait(len(frames))
        taken = [after - before for before, after in itertools.pairwise(bench.results.tag_cycles)]
        assert taken == [bench.cycles_of(frame) for frame in frames[1:]]
        for size, cycles in ((SMALLEST, SMALLEST_CYCLES[lanes]), (LONG, LONG_CYCLES[lanes])):
            assert {took for took, of in zip(taken, sizes[1:], strict=True) if of == size} <= {cycles}
        beats, text_cycles = iter(bench.i.cycles), []
        for frame in frames:
            of_frame = list(itertools.islice(beats, len(bench.beats_of(frame)) // lanes))
            text_cycles += of_frame[len(of_frame) + -len(frame.text) // lanes :]
        assert bench.results.text_cycles == [cycle + 1 for cycle in text_cycles]
        await bench.check(frames)


@cocotb.test()
async def loads_and_wipes_keys_while_others_are_used(dut: Any) -> None:
    """Frames of others lose a block for every further power of the hash key, and nothing else."""
    bench = Bench(dut)
    await bench.start()
    used, loaded = range(SESSION_KEYS - 1), SESSION_KEYS - 1
    for size in (SHORT_KEY_BYTES, KEY_BYTES, SHORT_KEY_BYTES):
        frames = bench.frames([SMALLEST] * (6 + 1000 // SMALLEST_CYCLES[bench.rate.lanes]), used)
        bench.send(frames)
        await bench.wait(2)
        bench.keys[loaded] = bench.tb.random.randbytes(size)
        # The other order than on the way in: what has been pushed outlives a wipe.
        bench.loader.push(bench.keys[loaded])
        bench.loader.wipe(loaded)
        bench.loader.load(loaded, size == SHORT_KEY_BYTES)
        await bench.wait(len(frames))
        cycles = bench.results.tag_cycles
        assert cycles[0] < bench.loader.done[-2] < bench.loader.done[-1] < cycles[-1]
        powers = (bench.rate.chains - 1) * bench.rate.cycles
        assert cycles[-1] - cycles[0] == sum(bench.cycles_of(frame) for frame in frames[1:]) + powers
        await bench.check(frames)
        frames = bench.frames([SMALLEST, LONG] * 2, [loaded])
        bench.send(frames)
        await bench.check(frames)


@cocotb.test()
async def nothing_is_left_of_a_wiped_key(dut: Any) -> None:
    """Its round keys are zeros, and so are all powers of its hash key: every hash is zero."""
    bench = Bench(dut)
    await bench.start()
    for number in range(SESSION_KEYS):
        bench.loader.wipe(number)
    await bench.tb.finish()
    text = bench.tb.random.randbytes(2 * bench.rate.chains * BLOCK_BYTES)
    frames = []
    for number, short in itertools.product(range(SESSION_KEYS), (False, True)):
        frame = bench.random_frame(number, 28, 0)
        first, *others = (
            zero_keyed(frame.iv + count.to_bytes(4), short) for count in range(1, 2 + len(text) // BLOCK_BYTES)
        )
        result = bytes(a ^ b for a, b in zip(text, b"".join(others), strict=True))
        frames.append(frame._replace(short=short, text=text, tag=first, result=result))
    bench.send(frames)
    await bench.check(frames)


@cocotb.test()
async def forgets_what_has_been_pushed(dut: Any) -> None:
    """The key that is loaded then has zeros."""
    bench = Bench(dut)
    await bench.start()
    bench.loader.push(bench.tb.random.randbytes(KEY_BYTES))
    await bench.tb.finish()
    dut.forget.value = 1
    await bench.tb.cycles(1)
    dut.forget.value = 0
    bench.loader.wipe(0)
    bench.loader.load(0, False)
    bench.keys[0] = bytes(KEY_BYTES)
    await bench.tb.finish()
    frames = bench.frames([SMALLEST] * 4)
    bench.send(frames)
    await bench.check(frames)


@cocotb.test()
async def reset_forgets_frames_and_leaves_keys(dut: Any) -> None:
    bench = Bench(dut, "bursts")
    await bench.start()
    for _ in range(8):
        bench.send(bench.frames([SMALLEST, LONG, (MAX_BYTES, MAX_BYTES)]))
        await bench.tb.cycles(bench.tb.random.randrange(4, 400))
        await bench.tb.reset()
        frames = bench.frames([SMALLEST, LONG, (0, 1), (1, 0)])
        bench.send(frames)
        await bench.check(frames)


@cocotb.test()
async def reset_while_a_key_is_loaded_leaves_the_others(dut: Any) -> None:
    """One that is loaded again is as good as before."""
    bench = Bench(dut)
    await bench.start()
    for _ in range(8):
        bench.send(bench.frames([SMALLEST] * 20, range(1, SESSION_KEYS)))
        bench.load(0, bench.tb.random.randbytes(KEY_BYTES))
        await bench.tb.cycles(bench.tb.random.randrange(4, 500))
        await bench.tb.reset()
        bench.load(0, bench.tb.random.randbytes(SHORT_KEY_BYTES))
        frames = bench.frames([SMALLEST] * 4, range(1, SESSION_KEYS))
        bench.send(frames)
        await bench.check(frames)
        frames = bench.frames([SMALLEST, LONG])
        bench.send(frames)
        await bench.check(frames)


async def run(
    bench: Bench, watch: Watch, sizes: Sequence[tuple[int, int]], key_bytes: int = 0
) -> list[tuple[int, ...]]:
    """What ``watch`` saw of frames of these sizes, with everything else random; key 0 is loaded meanwhile, if that has a
    size. Where frames are opened, about half of them are forged."""
    await bench.tb.reset()
    bench.pause("bursts", len(sizes))
    watch.seen.clear()
    frames = [bench.random_frame(1 + at % (SESSION_KEYS - 1), *size) for at, size in enumerate(sizes)]
    if bench.opens:
        frames = [bench.forged(frame) if bench.tb.random.getrandbits(1) else frame for frame in frames]
    bench.send(frames)
    if key_bytes:
        bench.load(0, bench.tb.random.randbytes(key_bytes))
    await bench.tb.cycles(sum(bench.cycles_of(frame) for frame in frames) + ORDER_CYCLES)
    seen = list(watch.seen)
    await bench.check(frames)
    return seen


@cocotb.test()
async def takes_its_time_whatever_frames_and_keys_are(dut: Any) -> None:
    """All that it says of when, cycle by cycle, is the same with other data, keys of other lengths, and other verdicts."""
    bench = Bench(dut)
    watch = Watch(bench)
    await bench.start()
    sizes = [SMALLEST, (0, 0), (100, 3), LONG, (0, 17), *[SMALLEST] * 10]
    first = await run(bench, watch, sizes)
    for number, key in bench.keys.items():
        bench.load(number, bench.tb.random.randbytes(KEY_BYTES + SHORT_KEY_BYTES - len(key)))
    await bench.tb.finish()
    second = await run(bench, watch, sizes)
    assert first == second
    assert len(set(first)) > 4


@cocotb.test()
@cocotb.parametrize(key_bytes=[SHORT_KEY_BYTES, KEY_BYTES])
async def takes_its_time_whatever_key_is_loaded(dut: Any, key_bytes: int) -> None:
    bench = Bench(dut)
    watch = Watch(bench)
    await bench.start()
    sizes = [SMALLEST, LONG, *[SMALLEST] * 10]
    first, second = [await run(bench, watch, sizes, key_bytes) for _ in range(2)]
    assert first == second
    assert len(set(first)) > 4
