# SPDX-License-Identifier: Apache-2.0
"""The simulated processor and a Linux kernel as peers: traffic both ways, the same counts on both sides, live rekeying."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random

import pytest

from custodes.link import Ingress
from custodes.macsec import HEADER_BYTES, MACS_BYTES, Opening, Side, Suite
from tests.gateware.session.bench import (
    OWN,
    PEER,
    SCI_OTHER,
    SCI_OWN,
    SCI_PEER,
    Bench,
    Sak,
    to_open,
    to_seal,
)
from tests.kernel.peer import Association, Configuration, KernelPeer
from tests.suites import SUITES

WRAP = 1 << 32


@pytest.fixture(scope="module")
def shared_bench() -> Iterator[Bench]:
    bench = Bench(1)
    yield bench
    bench.link.close()


@pytest.fixture
def bench(shared_bench: Bench) -> Bench:
    shared_bench.reset()
    return shared_bench


@dataclass
class Session:
    """Between the device, which is `OWN`, and the kernel, which is `PEER`; what one sends the other gets."""

    kernel: KernelPeer
    bench: Bench
    suite: Suite
    pn: int = 1
    window: int = 0

    def __post_init__(self) -> None:
        self.random = Random(f"{self.suite} {self.pn} {self.window}")
        sends, gets = (Sak.random(self.suite, self.random) for _ in range(2))
        self.bench.transmit(sends, an=1, pn=self.pn)
        self.bench.receive(gets, an=2, pn=self.pn, window=self.window)
        transmit, receive = association(gets, 2, self.pn), association(sends, 1, self.pn)
        self.kernel.configure(Configuration(self.suite, SCI_PEER, SCI_OWN, (transmit,), (receive,), 2, self.window))

    def plains(self, count: int, destination: bytes, source: bytes) -> list[bytes]:
        """Of any length that both take, some with a VLAN tag."""
        return [plain_of(self.random, destination, source) for _ in range(count)]

    def sealed(self, frames: Sequence[bytes]) -> list[bytes]:
        """By the device."""
        return [outcome.frame or b"" for outcome in self.bench.link.exchange(to_seal(frames))]

    def opened(self, frames: Sequence[bytes]) -> list[bytes]:
        """By the device."""
        return passed(self.bench, to_open(frames))


def plain_of(random: Random, destination: bytes, source: bytes) -> bytes:
    ethertype = random.choice((b"\x88\xb5", b"\x81\x00\x20\x05\x88\xb5"))
    length = random.choice((random.randrange(16, 60), random.randrange(16, 1500)))
    return destination + source + ethertype + random.randbytes(length)


def passed(bench: Bench, frames: Sequence[Ingress[Side]]) -> list[bytes]:
    return [outcome.frame for outcome in bench.link.exchange(frames) if outcome.frame is not None]


def association(sak: Sak, an: int, pn: int) -> Association:
    if sak.suite.extended:
        return Association(an, sak.key, pn, sak.salt, sak.ssci)
    return Association(an, sak.key, pn)


def device_counts(bench: Bench) -> Counter[str]:
    """Frames over all associations, by the kernel's names."""
    counts: Counter[str] = Counter()
    for (_, _, outcome), count in bench.processor.counters().frames.items():
        counts[outcome.title] += count
    return counts


def kernel_counts(kernel: KernelPeer) -> Counter[str]:
    """Frames of the entity and its channels, where there are any."""
    return Counter(
        {name: count for name, count in kernel.counters().items() if count and name.startswith(("InPkts", "OutPkts"))}
    )


@SUITES
def test_traffic_passes_both_ways(kernel: KernelPeer, bench: Bench, suite: Suite):
    session = Session(kernel, bench, suite, pn=5 * WRAP - 20 if suite.extended else WRAP - 100)
    out, back = session.plains(60, PEER, OWN), session.plains(60, OWN, PEER)
    before = device_counts(bench)
    assert kernel.deliver(session.sealed(out)) == out
    assert session.opened(kernel.transmit(back)) == back
    assert device_counts(bench) - before == kernel_counts(kernel)
    counters = kernel.counters()
    for side, number, register in ((Side.ACCELERATOR, 1, "rx1.pn"), (Side.NETWORK, 2, "tx2.pn")):
        state = bench.processor.association(side, number)
        assert state is not None
        assert state[1] % WRAP == counters[register]


@SUITES
@pytest.mark.parametrize("window", [0, 5])
def test_both_take_and_count_the_same_frames(kernel: KernelPeer, bench: Bench, suite: Suite, window: int):
    """Of one list, which has all kinds of frames that both count by the same rule."""
    random = Random(f"{suite} {window}")
    sak = Sak.random(suite, random)
    station = bench.receive(sak, an=3, pn=100, window=window)
    mine = (association(Sak.random(suite, random), 0, 1),)
    kernel.configure(Configuration(suite, SCI_OTHER, SCI_PEER, mine, (association(sak, 3, 100),), 0, window))
    good = [station.seal(plain_of(random, OWN, PEER)) for _ in range(40)]
    frames: list[bytes] = []
    for at, frame in enumerate(good):
        frames.append(frame)
        text = plain_of(random, OWN, PEER)
        frames += random.sample(
            [
                flipped(frame, random.randrange(MACS_BYTES)),
                flipped(frame, random.randrange(HEADER_BYTES, len(frame))),
                random.choice(good[: max(at - window, 1)]),
                random.choice(good[max(at - window + 1, 0) : at + 1] or [text]),
                replace(station, an=random.randrange(3)).seal(text),
                replace(station, sci=SCI_OTHER).seal(text),
                replace(station, sak=Sak.random(suite, random)).seal(text),
                flipped(frame, MACS_BYTES + 2, 0x80),
                text,
            ],
            4,
        )
    before = device_counts(bench)
    assert kernel.deliver(frames) == passed(bench, to_open(frames))
    counts = device_counts(bench) - before
    assert counts == kernel_counts(kernel)
    assert counts.keys() == {
        reason.title for reason in Opening if reason not in (Opening.IN_PKTS_ERROR, Opening.IN_PKTS_TOO_LONG)
    }


def flipped(frame: bytes, at: int, bits: int = 1) -> bytes:
    return frame[:at] + bytes((frame[at] ^ bits,)) + frame[at + 1 :]


@SUITES
def test_both_change_keys_without_losing_a_frame(kernel: KernelPeer, bench: Bench, suite: Suite):
    session = Session(kernel, bench, suite, window=64)
    out, back = session.plains(90, PEER, OWN), session.plains(90, OWN, PEER)
    sends, gets = (Sak.random(suite, session.random) for _ in range(2))
    delivered, opened = kernel.deliver(session.sealed(out[:30])), kernel.transmit(back[:30])
    kernel.add_receive(association(sends, 2, 50))
    kernel.add_transmit(association(gets, 3, 60))
    bench.send(to_seal(out[30:60]))
    bench.load_sak(Side.NETWORK, 3, gets, 60)
    bench.load_sak(Side.ACCELERATOR, 2, sends, 50)
    bench.select(2)
    assert bench.link.run(1 << 20) == 0
    delivered += kernel.deliver([bench.link.take(Side.ACCELERATOR).frame or b"" for _ in range(30)])
    kernel.encode(3)
    opened += kernel.transmit(back[30:])
    delivered += kernel.deliver(session.sealed(out[60:]))
    assert delivered == out
    assert session.opened(opened) == back
    counters = kernel.counters()
    assert counters["rx1.InPktsOK"] + counters["rx2.InPktsOK"] == 90
    assert counters["rx2.InPktsOK"] >= 30
    assert (counters["tx2.OutPktsEncrypted"], counters["tx3.OutPktsEncrypted"]) == (30, 60)
