# SPDX-License-Identifier: Apache-2.0
"""Nonces: within the life of a key the engine never gets the same one twice.

What is proven is `Sealer` itself, for 1, 8 and 64 lanes, and with the channels of a gateway, in `surroundings` that the
solver drives. From the decision to the engine frames go through a queue. `Gate` takes a frame's verdict with its last beat,
which is behind its ICV; only so a frame leaves. So what has been decided on and has not left is all that the engine may
have, and the proof says that neither is a key of such a frame loaded or overwritten, nor a nonce decided on that the key
has had, nor does a frame of it get a good verdict once its association has been zeroised.
"""

from typing import Any

from amaranth import Mux, Signal
from amaranth.hdl import Cat, Value

from custodes.macsec import CHANNELS
from gateware.session.associations import PARAMETERS
from gateware.session.direction import big_endian
from gateware.session.sealer import Sealer

from .harness import Harness
from .surroundings import Environment


def nonces(h: Harness, lanes: int, channels: int = CHANNELS) -> None:
    """Any frames to any peers, any commands; the engine and the way out take as long as they like."""
    environment = Environment(h, Sealer, lanes, channels)
    cut, dut, given = environment.cut, environment.dut, environment.given
    m, frame, life, inside = h.m, dut.engine_frames.i, environment.life, environment.inside

    # What is known of the key, from its load on.
    known: Any = Signal(PARAMETERS)
    with m.If(life.begins):
        m.d.sync += known.eq(Cat(dut.control.suite, dut.control.ssci, dut.control.salt))
    pn, last, used = Signal(64), Signal(64), Signal()
    with m.If(life.begins):
        m.d.sync += [pn.eq(dut.control.pn), used.eq(0)]
    with m.Elif(given):
        m.d.sync += [last.eq(pn), pn.eq(pn + 1), used.eq(1)]
    extended = known.suite[1]
    final = last[:32].all() & (~extended | last[32:].all())

    # Any nonce that the key has had, and the one that it gets.
    nonce, nonce_pn, kept = Signal(96), Signal(64), Signal()
    with m.If(life.begins):
        m.d.sync += kept.eq(0)
    with m.Elif(given & ~kept & h.free(1, "keeps")):
        m.d.sync += [nonce.eq(frame.payload.iv), nonce_pn.eq(pn), kept.eq(1)]

    h.check(~given | environment.usable.any())
    h.check(~(given & used) | ~final)
    h.check(~(given & kept) | (frame.payload.iv != nonce))
    h.check(~given | _is_nonce(frame.payload.iv, known, pn))
    h.check(~given | (frame.payload.short == ~known.suite[0]))
    h.check(~(environment.ends & dut.gate.verdict.payload.good) | ~environment.dead)

    environment.check(h)
    table = next(memory for memory in cut.made["Memory"] if memory.shape is PARAMETERS)
    fresh = life.pending & (environment.load_age < 2)
    _check_stages(h, environment, known, pn)
    h.lemma(~cut.signals["PacketNumbers.elaborate.loads"] | (dut.associations.loading & (environment.load_age < 2)))
    h.lemma(~(life.pending | life.loaded) | (table.row == known))
    h.lemma(fresh | ~(life.pending | life.loaded) | (environment.pn == pn))
    h.lemma(~(life.pending | life.loaded) | ~used | (life.loaded & (pn == (last + 1)[:64])))
    exhausts = dut.narrow & dut.associations.exhaust_valid & (dut.associations.exhaust == environment.tag)
    spent = life.spent | exhausts
    h.lemma(~life.loaded | (spent == (used & final)))
    h.lemma(~(life.pending | life.loaded) | spent | ((pn != 0) & (extended | (pn[32:] == 0))))
    h.lemma(~(kept & (life.pending | life.loaded)) | (used & (nonce_pn <= last) & _is_nonce(nonce, known, nonce_pn)))
    h.lemma(~(kept & (life.pending | life.loaded)) | extended | (nonce_pn[32:] == 0))

    h.cover(given & kept & extended & (pn == nonce_pn + 1))
    h.cover(given & kept & ~extended & ~life.usable)  # zeroised in that very cycle before
    h.cover(life.spent & used & extended & inside.leaves & inside.ours)
    h.cover(inside.ours & inside.leaves & life.dead)


def _check_stages(h: Harness, environment: Environment, known: Any, pn: Signal) -> None:
    """What is on its way to the decision: the parameters once they must be there, then all of it."""

    def inner(name: str) -> Any:
        return environment.cut.signals[f"Direction._decide.{name}"]

    life = environment.life
    mine = [channel.number == life.tag for channel in inner("channels")]
    rows = [environment.cut.signals["Associations._remember.row"], environment.dut.associations.parameters]
    for age, row in enumerate([*rows, inner("parameters")]):
        there = life.loaded | (life.pending & (environment.load_age > age))
        h.lemma(~(mine[age + 1] & there) | (row == known))
    passes = mine[3] & inner("valids")[5] & (inner("reason_then") == 0)
    h.lemma(~passes | (inner("pn_then") == pn))


def _is_nonce(iv: Value, known: Any, pn: Value) -> Value:
    """IEEE 802.1AE-2018, 14.5 and 14.7. The SCI that precedes a PN of 32 bits may be any."""
    extended = iv == Cat(big_endian(known.ssci, 4), big_endian(pn, 8)) ^ known.salt
    return Mux(known.suite[1], extended, iv[64:] == big_endian(pn[:32], 4))
