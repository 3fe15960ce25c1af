# SPDX-License-Identifier: Apache-2.0
"""Verdicts of `Opener`: good only where the engine has found the frame's own tag right, and its key was still there.

What `Gate` does with a verdict is shown in `plaintext`. The rest is `surroundings`; besides them this is assumed:

- `Gcm` says of each frame once whether its tag is right, in the order in which it has been told of them.
- `Queue` (proven): these words come out in their order, and as they came in. There is room for them.
- `Queue` (proven): of the plans that leave before one, as many are of frames in the engine as have come in before it.
"""

from amaranth import Mux, Signal

from custodes.macsec import CHANNELS
from gateware.session.opener import Opener

from .harness import Harness
from .surroundings import Environment


def verdicts(h: Harness, lanes: int, channels: int = CHANNELS) -> None:
    """Any frames from any peers, any commands; the engine and the way out take as long as they like.

    ``turn``: the engine's word on the marked frame is the so manieth of all that have not been used. It ``came`` and said
    that the tag is ``right``.
    """
    environment = Environment(h, Opener, lanes, channels)
    dut, inside = environment.dut, environment.inside
    m, verdict, plans, gcm = h.m, dut.gate.verdict, dut.plans, dut.gcm
    words = environment.cut.made["Queue"][-1]
    bits = len(environment.plans) + 1
    engine, waiting, turn = Signal(bits), Signal(bits), Signal(bits)
    came, right, passes = Signal(), Signal(), Signal()
    in_engine = (plans.o.payload.reason == 0) & plans.o.valid
    m.d.comb += passes.eq(in_engine & plans.o.ready)
    m.d.sync += [
        engine.eq(engine + dut.engine_frames.i.valid - gcm.tag_valid),
        waiting.eq(waiting + gcm.tag_valid - passes),
    ]
    with m.If(environment.marked[-1] & environment.given):
        m.d.sync += [turn.eq(engine + waiting - passes + 1), came.eq(0)]
    with m.Elif(inside.ours):
        m.d.sync += turn.eq(turn - passes)
        with m.If(gcm.tag_valid & (turn == waiting + 1)):
            m.d.sync += [came.eq(1), right.eq(gcm.good)]
    h.assume(~gcm.tag_valid | engine.any())
    h.assume(~words.o.valid | waiting.any())
    h.assume(h.held(words.o))
    h.assume(~(words.o.valid & inside.ours & (turn == 1)) | (words.o.payload == right))
    h.assume(~plans.o.valid | in_engine | (engine + waiting < environment.plans))
    before = plans.o.valid & inside.ours & (inside.position != 1)
    h.assume(~before | Mux(in_engine, turn > 1, turn < inside.position))

    # Where there is time for it, a frame leaves the list of plans a cycle after its verdict.
    given, given_then = Signal(), Signal()
    m.d.comb += given.eq(verdict.valid & verdict.ready)
    m.d.sync += given_then.eq(given)
    good = given & verdict.payload.good
    mine = environment.ends
    h.check(passes == (given_then if dut.narrow else given))
    h.check(~good | words.o.payload)
    h.check(~mine | came)
    h.check(~(mine & good) | (right & ~environment.dead))
    h.check(~(mine & good) | (environment.plan.pn >= environment.pn))

    environment.check(h)
    h.lemma(engine + waiting <= environment.plans)
    h.lemma(~inside.ours | (turn.any() & (turn <= inside.position) & (turn <= engine + waiting)))
    h.lemma(~inside.ours | (came == (turn <= waiting)))

    h.cover(mine & good & (turn == 1) & waiting.any())
    h.cover(mine & ~good & right)
    h.cover(mine & ~right & environment.life.usable)
    if lanes > 1:  # with one it takes much longer to get there
        h.cover(inside.ours & came & (turn == 2))
