# SPDX-License-Identifier: Apache-2.0
"""Random words straight from a noise source, for keys that are drawn now and then."""

from typing import Any

from amaranth import Module, Mux, ResetInserter, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from custodes.control_registers import Noise
from gateware.hash import EngineSignature, block_word
from gateware.hash.sha256 import STATE_BITS
from gateware.stream import SkidBuffer
from gateware.trng.conditioner import Conditioner
from gateware.trng.health import Health, HealthParameters
from gateware.trng.trng import SEED_BITS, WORD_BITS


class FullEntropy(wiring.Component):
    """Tests a noise source (SP 800-90B), and gives digests of its samples, which have full entropy (SP 800-90B, 3.1.5.1.2).

    Args:
        parameters: what the source is held to.

    Members:
        sample, sample_valid: samples of the source, at most one per cycle.
        o: words of digests, 8 of each, which no one else has been given. Whoever waits takes what is offered at once: an
            alarm and a fault withdraw it.
        engine: see `Conditioner`. It is to be cleared as it is let go.
        alarm: the source has failed a test; until a reset.
        fault: a mode that does not exist. What is offered is withdrawn, and everything forgotten.

    A digest needs 640 samples with the default parameters, and some 230 cycles in which none is taken; nor is the one in the
    cycle after the start-up test. An alarm stops `o`
    `health.ALARM_CYCLES` after the sample with which a test fails; samples and digest have been overwritten ``wipe_cycles``
    after that. There is no DRBG behind which a source could fail unseen: see `Trng` for words that come faster.
    """

    sample: Signal
    sample_valid: Signal
    o: stream.Interface
    engine: Any
    alarm: Signal
    fault: Signal

    def __init__(self, parameters: HealthParameters | None = None) -> None:
        self.parameters = parameters or HealthParameters()
        self._conditioner = Conditioner(self.parameters.conditioned_samples(SEED_BITS))
        self.wipe_cycles = 2 + self._conditioner.wipe_cycles
        super().__init__(
            {
                "sample": In(1),
                "sample_valid": In(1),
                "o": Out(stream.Signature(WORD_BITS)),
                "engine": Out(EngineSignature()),
                "alarm": Out(1),
                "fault": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.health = health = Health(self.parameters)
        m.submodules.conditioner = conditioner = self._conditioner
        # SEC_CM: NOISE.FORGOTTEN
        # What wipes begins when its clear ends: so it does, however long the reason lasts. Both are registers, as there is a
        # memory behind them; what leaves stops at once.
        forget, forgot, wipe = Signal(), Signal(), Signal()
        m.d.sync += [forgot.eq(forget), wipe.eq(forget & ~forgot)]
        # The engine may be far away.
        slice_ = SkidBuffer(block_word())
        m.submodules.slice = ResetInserter(wipe)(slice_)
        wiring.connect(m, conditioner.engine.i, slice_.i)
        wiring.connect(m, slice_.o, wiring.flipped(self.engine.i))
        state, busy = Signal(STATE_BITS), Signal(init=1)
        m.d.sync += [state.eq(self.engine.state), busy.eq(self.engine.busy)]
        m.d.comb += [
            self.fault.eq(health.fault | conditioner.fault),
            self.alarm.eq(health.state == Noise.ALARM),
            forget.eq(~health.ready | self.fault),
            health.sample.eq(self.sample),
            health.sample_valid.eq(self.sample_valid),
            self.engine.use.eq(conditioner.engine.use),
            conditioner.engine.mine.eq(self.engine.mine),
            conditioner.engine.busy.eq(busy),
            conditioner.engine.state.eq(state),
            conditioner.clear.eq(wipe),
            conditioner.sample.eq(self.sample),
            conditioner.sample_valid.eq(self.sample_valid & ~forgot),
            self.o.valid.eq(conditioner.o.valid & ~forget),
            self.o.payload.eq(Mux(self.o.valid, conditioner.o.payload, 0)),
            conditioner.o.ready.eq(self.o.ready & ~forgot),
        ]
        return m
