# SPDX-License-Identifier: Apache-2.0
"""From noise to random numbers."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from custodes.control_registers import Noise
from gateware.hash import SharedSha256
from gateware.trng.conditioner import Conditioner
from gateware.trng.drbg import HashDrbg
from gateware.trng.health import FAILURE_BITS, Health, HealthParameters

WORD_BITS = 32
SEED_BITS = 256
"""That a digest has."""


class Trng(wiring.Component):
    """Tests a noise source (SP 800-90B), conditions its samples with SHA-256, seeds a Hash_DRBG (SP 800-90A) with them again
    and again, and gives what that makes.

    Args:
        parameters: what the source is held to.
        hash_domain: see `SharedSha256`.

    Members:
        sample, sample_valid: samples of the source, at most one per cycle.
        o: random words. Whoever waits takes what is offered at once: an alarm, `clear` and a fault withdraw it.
        raw: 32 consecutive raw samples, the oldest the lowest bit. Nothing is made of them: a sample is either shown here or
            used. Samples are shown in the start-up test, while the conditioner takes none, and after an alarm.
        state, alarm: what the source is like: `custodes.control_registers.Noise`, and whether that is its alarm.
        repetitions, proportions: failures of each health test; they stop at the highest number.
        clear: forgets everything but an alarm and the failures, however long it is 1; then the start-up test is repeated.
        fault: a mode that does not exist; for one cycle at least. What is offered is withdrawn, and everything forgotten.
        hashing: see `SharedSha256`.

    An alarm stops `o` `health.ALARM_CYCLES` after the sample with which a test fails, until a reset; what the sample before
    it led to may still be taken in that cycle. Which source trips it how soon: see `Health`.

    What is to be forgotten is never offered again, and has been overwritten ``wipe_cycles`` later.

    The DRBG is reseeded after each request (see `HashDrbg`), if the source keeps up; where it does not, words come all the
    same.
    """

    sample: Signal
    sample_valid: Signal
    o: stream.Interface
    raw: stream.Interface
    state: Signal
    alarm: Signal
    repetitions: Signal
    proportions: Signal
    clear: Signal
    fault: Signal
    hashing: Signal

    def __init__(self, parameters: HealthParameters | None = None, hash_domain: str = "sync") -> None:
        self.hash_domain = hash_domain
        self.parameters = parameters or HealthParameters()
        self._conditioner = Conditioner(self.parameters.conditioned_samples(SEED_BITS))
        self._drbg = HashDrbg()
        self.wipe_cycles = 1 + max(self._conditioner.wipe_cycles, self._drbg.wipe_cycles)
        super().__init__(
            {
                "sample": In(1),
                "sample_valid": In(1),
                "o": Out(stream.Signature(WORD_BITS)),
                "raw": Out(stream.Signature(WORD_BITS)),
                "state": Out(2),
                "alarm": Out(1),
                "repetitions": Out(FAILURE_BITS),
                "proportions": Out(FAILURE_BITS),
                "clear": In(1),
                "fault": Out(1),
                "hashing": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.health = health = Health(self.parameters)
        m.submodules.conditioner = conditioner = self._conditioner
        m.submodules.shared = shared = SharedSha256(self.hash_domain)
        m.submodules.drbg = drbg = self._drbg
        wiring.connect(m, conditioner.engine, shared.second)
        wiring.connect(m, drbg.engine, shared.first)
        wiring.connect(m, conditioner.o, drbg.seed)

        # SEC_CM: NOISE.FORGOTTEN
        # What wipes begins when its clear ends: so it does, however long the reason lasts.
        forget, forgot, used = Signal(), Signal(), Signal()
        wipe = forget & ~forgot
        m.d.sync += forgot.eq(forget)
        m.d.comb += [
            self.fault.eq(health.fault | conditioner.fault | shared.fault | drbg.fault),
            health.sample.eq(self.sample),
            health.sample_valid.eq(self.sample_valid),
            health.restart.eq(self.clear),
            self.state.eq(health.state),
            self.alarm.eq(health.state == Noise.ALARM),
            self.repetitions.eq(health.repetitions),
            self.proportions.eq(health.proportions),
            forget.eq(self.clear | ~health.ready | self.fault),
            conditioner.clear.eq(wipe),
            shared.clear.eq(wipe),
            self.hashing.eq(shared.hashing),
            drbg.clear.eq(wipe),
            # A digest that waits goes in between two requests.
            drbg.reseed.eq(conditioner.o.valid & ~drbg.reseed_needed & ~drbg.o.valid),
            # SEC_CM: NOISE.RAW_APART
            used.eq(~forget & conditioner.takes),
            conditioner.sample.eq(self.sample),
            conditioner.sample_valid.eq(self.sample_valid & used),
            self.o.valid.eq(drbg.o.valid & ~forget),
            self.o.payload.eq(Mux(self.o.valid, drbg.o.payload, 0)),
            drbg.o.ready.eq(self.o.ready & ~forget),
        ]
        self._show(m, self.sample_valid & ~used, self.sample_valid & used)
        return m

    def _show(self, m: Module, shown: Value, used: Value) -> None:
        """Fill `raw`, with samples between which none is used."""
        word, count = Signal(WORD_BITS), Signal(range(WORD_BITS + 1))
        m.d.comb += [self.raw.valid.eq(count == WORD_BITS), self.raw.payload.eq(word)]
        with m.If(self.raw.valid), m.If(self.raw.ready):
            m.d.sync += count.eq(0)
        with m.Elif(used):
            m.d.sync += count.eq(0)
        with m.Elif(shown):
            m.d.sync += [word.eq(Cat(word[1:], self.sample)), count.eq(count + 1)]
        with m.If(self.clear):
            m.d.sync += [word.eq(0), count.eq(0)]
