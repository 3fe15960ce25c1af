# SPDX-License-Identifier: Apache-2.0
"""Random words for a datapath, from noise that is sampled at the clock of its control."""

from amaranth import DomainRenamer, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.fifo import AsyncFIFO
from amaranth.lib.wiring import In, Out

from gateware.trng.full_entropy import FullEntropy
from gateware.trng.trng import WORD_BITS

DEPTH = 4
"""Words that wait: half a key, so that nobody who reads it later learns all of one."""


class RandomWords(wiring.Component):
    """`FullEntropy` in the domain ``control``, and its words in ``sync``.

    Members:
        sample, sample_valid: see `FullEntropy`, in ``control``.
        o: the words, in ``sync``.
        alarm: the noise source has failed; words that wait may still be taken. In ``sync``.

    Reset both domains together, for 4 cycles of the slower clock at least.
    """

    sample: Signal
    sample_valid: Signal
    o: stream.Interface
    alarm: Signal

    def __init__(self) -> None:
        super().__init__(
            {
                "sample": In(1),
                "sample_valid": In(1),
                "o": Out(stream.Signature(WORD_BITS)),
                "alarm": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        source = FullEntropy()
        m.submodules.source = DomainRenamer("control")(source)
        m.submodules.waiting = waiting = AsyncFIFO(width=WORD_BITS, depth=DEPTH, r_domain="sync", w_domain="control")
        failed = Signal()
        # What failed once is not to be trusted again.
        with m.If(source.alarm | source.fault):
            m.d.control += failed.eq(1)
        m.submodules.to_sync = FFSynchronizer(failed, self.alarm)
        m.d.comb += [
            source.sample.eq(self.sample),
            source.sample_valid.eq(self.sample_valid),
            waiting.w_data.eq(source.o.payload),
            waiting.w_en.eq(source.o.valid & ~failed),
            source.o.ready.eq(waiting.w_rdy),
            self.o.valid.eq(waiting.r_rdy),
            self.o.payload.eq(waiting.r_data),
            waiting.r_en.eq(self.o.ready),
        ]
        return m
