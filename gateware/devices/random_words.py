# SPDX-License-Identifier: Apache-2.0
"""Random words for a datapath, from noise that is sampled at the clock of its control."""

from typing import Any

from amaranth import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from gateware.hash import EngineSignature
from gateware.trng.full_entropy import FullEntropy
from gateware.trng.trng import WORD_BITS

SAMPLE_CYCLES = 6
"""Of ``sync``, from one sample to the next at least."""


class RandomWords(wiring.Component):
    """`FullEntropy` of samples that come from the domain ``control``.

    Members:
        sample, sample_valid: see `FullEntropy`, in ``control``, and `SAMPLE_CYCLES` apart.
        o: the words, in ``sync``.
        engine: see `FullEntropy`, in ``sync``.
        alarm: the noise source has failed, and there are no more words. In ``sync``.

    Reset both domains together, for 4 cycles of the slower clock at least.
    """

    sample: Signal
    sample_valid: Signal
    o: stream.Interface
    engine: Any
    alarm: Signal

    def __init__(self) -> None:
        super().__init__(
            {
                "sample": In(1),
                "sample_valid": In(1),
                "o": Out(stream.Signature(WORD_BITS)),
                "engine": Out(EngineSignature()),
                "alarm": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.source = source = FullEntropy()
        wiring.connect(m, source.engine, wiring.flipped(self.engine))
        turned, sample = Signal(), Signal()
        with m.If(self.sample_valid):
            m.d.control += [turned.eq(~turned), sample.eq(self.sample)]
        # The sample may be seen a cycle later than that there is one.
        seen, seen_before, known, here = Signal(), Signal(), Signal(), Signal()
        m.submodules.turned = FFSynchronizer(turned, seen, reset_less=False)
        m.submodules.sample = FFSynchronizer(sample, here)
        m.d.sync += [seen_before.eq(seen), known.eq(seen != seen_before)]
        m.d.comb += [source.sample.eq(here), source.sample_valid.eq(known)]
        # What failed once is not to be trusted again.
        with m.If(source.alarm | source.fault):
            m.d.sync += self.alarm.eq(1)
        m.d.comb += [
            self.o.valid.eq(source.o.valid & ~self.alarm),
            self.o.payload.eq(source.o.payload),
            source.o.ready.eq(self.o.ready & ~self.alarm),
        ]
        return m
