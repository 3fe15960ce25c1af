# SPDX-License-Identifier: Apache-2.0
"""Registers of `Session`: no key can be read, and nothing that came with one stays when it is done.

The registers are the unit's own; sealer, opener and the table of lifetimes are ports that the solver drives, and one row of
the memory of suites is kept. What the solver drives may depend on everything that `Session` hands to these units, but for
keys, salts and SSCIs: `Sealer` and `Opener` have no port through which a host reads any of these, and what they say of
packet numbers, lifetimes and counts does not depend on them.
"""

from collections.abc import Iterator
from typing import Any

from amaranth import Cat, Mux, Signal
from amaranth.hdl import Value
from amaranth.lib.wiring import In, Out

from custodes import processor_registers as registers
from gateware.session import session
from gateware.session.session import Session

from .cut import Cut, OneRow, drive_inputs, drive_outputs, hollow
from .harness import Harness, counter

HOLLOW = ("Sealer", "Opener", "Lifetimes")
SECRET = ("word", "salt", "ssci")
"""Of what goes to sealer and opener."""
VALIDS = {"suite": ["load_valid"], "target": ["zeroise_valid", "select_valid"], "channel": ["channel_valid"]}
"""What of it matters only when something else is 1, and until then may be part of any word that is written."""
WIPES = "Session.elaborate.wipes"
WRITE = "Session._write"
WAITING = f"{WRITE}.waiting"
STATE = (
    "Session.elaborate.tampering",
    WIPES,
    *(
        f"{WRITE}.{name}"
        for name in (
            *("chosen", "pushes", "command", "orders", "asks", "asked", "unfit", "dismissed", "loading"),
            *("started", "refused", "side", "number", "suite", "lifetime", "setting", "pushed", "pushing", "expires"),
            *("expired_number", "expired_side"),
        )
    ),
)
"""Registers, but for those that wait for a command."""


def _cut() -> Cut:
    hollows = {name: hollow(getattr(session, name)) for name in HOLLOW}
    return Cut(lambda: Session(1), {session: hollows | {"Memory": OneRow}}, watched=[session])


def _units(cut: Cut) -> list[Any]:
    return [cut.made[name][0] for name in HOLLOW]


def _surround(h: Harness, cut: Cut) -> None:
    """Sealer and opener load from the cycle after they are told to, until they please or are reset; the rest is free."""
    for name, unit in zip(HOLLOW, _units(cut), strict=True):
        drive_outputs(h, unit, name)
    memory = cut.made["Memory"][0]
    h.m.d.comb += [
        memory.tag.eq(h.constant(range(memory.depth), "tag")),
        memory.others.eq(h.free(len(memory.others), "others")),
    ]
    for unit in _units(cut)[:2]:
        loads, ends = Signal(), h.free(1, "ends")
        with h.m.If(ends | cut.signals[WIPES]):
            h.m.d.sync += loads.eq(0)
        with h.m.Elif(unit.control.load_valid):
            h.m.d.sync += loads.eq(1)
        h.assume(unit.control.loading == loads)


def _of_key(address: Value) -> Value:
    return (address >= registers.KEY) & (address < registers.KEY + registers.KEY_WORDS)


def _secret_at(address: Any) -> Any:
    """Whether what waits there for a command belongs to a key."""
    salt = (address >= registers.SALT) & (address < registers.SALT + registers.SALT_WORDS)
    return salt | (address == registers.SSCI)


def _secret(address: Value) -> Value:
    """Whether what is written there belongs to a key."""
    return _of_key(address) | _secret_at(address)


def unreadable(h: Harness) -> None:
    """Two sessions to which everything is the same but the words of keys, salts and SSCIs: all they say is the same.

    By induction: any two states that differ in these only are followed by two such states.
    """
    m = h.m
    one, other = _cut(), _cut()
    dut = h.device(lambda: one.dut)
    m.submodules.twin = other.dut
    drive_inputs(h, dut)
    _surround(h, one)
    different = h.free(32, "different")
    for mine, its, member, path in _pairs(one.dut, other.dut):
        if path == ("bus", "write_data"):
            m.d.comb += its.eq(Mux(_secret(dut.bus.address), different, mine))
        elif member.flow == In:
            m.d.comb += its.eq(mine)
        else:
            h.check(mine == its)
    asked = one.signals[f"{WRITE}.asked"]
    for name in HOLLOW:
        unit = one.made[name][0]
        for mine, its, member, path in _pairs(unit, other.made[name][0]):
            if path == ("control", "ready"):
                m.d.comb += its.eq(Mux(asked, mine, h.free(1, f"{name}_different")))
            elif member.flow == Out:
                m.d.comb += its.eq(mine)
            elif path[-1] in VALIDS:
                h.check(~Cat(getattr(unit.control, valid) for valid in VALIDS[str(path[-1])]).any() | (mine == its))
            elif path[-1] not in SECRET:
                h.check(mine == its)
    memory, twin = one.made["Memory"][0], other.made["Memory"][0]
    m.d.comb += [twin.tag.eq(memory.tag), twin.others.eq(memory.others)]
    h.lemma(memory.row == twin.row)
    for name in STATE:
        h.lemma(one.signals[name] == other.signals[name])
    for mine, its in zip(_open(one), _open(other), strict=True):
        h.lemma(mine == its)
    chosen, pushes, value = (one.signals[f"{WRITE}.{name}"] for name in ("chosen", "pushes", "value"))
    command, orders = one.signals[f"{WRITE}.command"], one.signals[f"{WRITE}.orders"]
    secret = (
        pushes | Cat(here for here, register in zip(chosen, session.WAITING, strict=True) if _secret_at(register)).any()
    )
    h.lemma(secret | (value == other.signals[f"{WRITE}.value"]))
    h.lemma(Cat(chosen, pushes, command).matches(0, *(1 << at for at in range(len(chosen) + 2))))
    h.lemma(command | ~orders.any())

    salts = [cut.made["Sealer"][0].control.salt for cut in (one, other)]
    sealer = one.made["Sealer"][0].control
    h.cover(sealer.load_valid & (salts[0] != salts[1]))
    pushed = counter(h, sealer.word_valid & (sealer.word != other.made["Sealer"][0].control.word), "pushed", 4)
    reads = Signal()
    m.d.sync += reads.eq(_secret(dut.bus.address))
    h.cover((pushed == 8) & sealer.load_valid)
    h.cover((pushed == 8) & (dut.bus.read_data == registers.STATUS_BUSY) & sealer.loading)
    h.cover((pushed == 8) & one.signals[f"{WRITE}.loading"] & reads)


def _pairs(one: Any, other: Any) -> Iterator[tuple[Value, Value, Any, tuple[str | int, ...]]]:
    """Each port of two units alike."""
    for (path, member, mine), (_, _, its) in zip(
        one.signature.flatten(one), other.signature.flatten(other), strict=True
    ):
        yield Value.cast(mine), Value.cast(its), member, path


def _open(cut: Cut) -> list[Value]:
    """What waits for a command and is not secret."""
    waiting = cut.signals[WAITING]
    return [Value.cast(waiting[name]) for name in ("pn", "lifetime", "address", "sci", "window")]


def cleared(h: Harness) -> None:
    """What has been written for a command is gone when that is done or refused; a load is told of a whole key, and once.

    What sealer and opener are promised (see `nonces` and `ControlSignature`) is shown, too: when they are told to load,
    what of that holds until they have, and that tampering and an expired lifetime reach them.
    """
    m = h.m
    cut = _cut()
    dut = h.device(lambda: cut.dut)
    drive_inputs(h, dut)
    _surround(h, cut)
    asks, asked, dismissed, started, pushed, pushing = (
        cut.signals[f"{WRITE}.{name}"] for name in ("asks", "asked", "dismissed", "started", "pushed", "pushing")
    )
    waiting, loading = Value.cast(cut.signals[WAITING]), cut.signals[f"{WRITE}.loading"]
    wipes, lifetimes = cut.signals[WIPES], cut.made["Lifetimes"][0]
    controls = [cut.made[name][0].control for name in HOLLOW[:2]]
    # What is written counts a cycle later.
    write, address, value = Signal(), Signal.like(dut.bus.address), Signal(32)
    m.d.sync += [write.eq(dut.bus.write), address.eq(dut.bus.address), value.eq(dut.bus.write_data)]
    command = write & (address == registers.COMMAND)
    order, to_side = value[registers.COMMAND_SHIFT :], (value & registers.RECEIVE).any()
    loads, loads_then = Cat(control.load_valid for control in controls), Signal(2)
    m.d.sync += loads_then.eq(loads)
    h.assume(~(lifetimes.over & lifetimes.pause))
    h.check(~dut.bus.write | lifetimes.pause)

    # A command is refused, or begins to load two cycles later, or is refused then.
    commands, ordered, asks_then, refuses = Signal(), Signal(2), Signal(), Signal()
    m.d.sync += [
        commands.eq(command & ~loading),
        ordered.eq(Cat(command & (order == registers.Command.LOAD), ordered[0])),
        asks_then.eq(asks),
        refuses.eq(asked & ~loads.any()),
    ]
    h.check(dismissed == ((commands & ~asks) | refuses))
    h.check(asked == asks_then)
    h.check(~(asks | asked) | loading)
    h.check(~loads.any() | (asked & ordered[1]))
    h.lemma(~asks | (commands & ordered[0]))

    written, wipes_then = Signal(), Signal()
    m.d.sync += wipes_then.eq(wipes)
    with m.If(write & ~loading & ~command):
        m.d.sync += written.eq(1)
    with m.Elif(dismissed | loads.any()):
        m.d.sync += written.eq(0)
    h.check(written | loading | (waiting == 0))
    h.lemma(written | ~(asks | asked) | (waiting == 0))
    h.check(~wipes_then | (waiting == 0))

    tampered = Signal(2)
    tampers = dut.tamper | (command & (order == registers.Command.TAMPER))
    m.d.sync += tampered.eq(Cat(tampers | tampered[0], tampered[0]))
    begins = Signal(init=1)  # as after a reset, of which this is the last of the sealer's and the opener's
    m.d.sync += begins.eq(0)
    h.check((wipes == ((tampered == 1) | begins)) & (tampered != 2))
    h.check(cut.signals["Session.elaborate.tampered"] == tampered[0])
    h.check(~tampered[0] | ~(loads.any() | dut.o_sealed.valid | dut.o_plain.valid))
    expires, expired = Signal(), Signal.like(lifetimes.expired)
    m.d.sync += [
        expires.eq(lifetimes.over & ~(lifetimes.valid & (lifetimes.number == lifetimes.expired))),
        expired.eq(lifetimes.expired),
    ]

    for at, control in enumerate(controls):
        words = Signal(range(registers.KEY_WORDS + 2), name=f"words_{at}")
        with m.If(control.forget | control.load_valid | wipes):
            m.d.sync += words.eq(0)
        with m.Elif(control.word_valid & (words <= registers.KEY_WORDS)):
            m.d.sync += words.eq(words + 1)
        number, pn = Signal.like(control.number, name=f"number_{at}"), Signal(64, name=f"pn_{at}")
        before = Signal.like(control.number, name=f"before_{at}")
        m.d.sync += before.eq(control.number)
        with m.If(control.load_valid):
            m.d.sync += [number.eq(control.number), pn.eq(control.pn)]
        h.check(~dismissed | control.forget)
        h.check(~loads_then[1 - at] | control.forget)
        h.check(~control.load_valid | ((words == registers.KEY_WORDS) & control.ready & (before == control.number)))
        busy = commands | asked | dismissed | loads_then[1 - at]
        h.lemma(busy | (words + pushing == pushed) | ((words + pushing > pushed) & (pushed > registers.KEY_WORDS)))
        h.lemma((words <= registers.KEY_WORDS + 1) & (pushed <= registers.KEY_WORDS + 1))
        h.lemma(~(busy | loading) | ((pushed == 0) & ~pushing))
        h.lemma(~(asks | asked) | wipes_then | (words == registers.KEY_WORDS))
        h.check(~control.load_valid | control.suite[1] | (control.pn[32:] == 0))
        if at == 0:
            h.check(~control.load_valid | (control.pn != 0))
            missing = ~cut.signals[f"{WRITE}.side"] & (control.pn == 0)
            unfit = ~control.suite[1] & (control.pn[32:] != 0) | missing
            h.lemma(~asked | (cut.signals[f"{WRITE}.unfit"] == unfit) | wipes_then)
        h.check(~control.loading | loading)
        h.check(~control.loading | ((control.number == number) & (control.pn == pn)))
        zeroises = command & (order == registers.Command.ZEROISE) & (to_side == at)
        mine = expires & (expired[len(control.target)] == at)
        h.check(control.zeroise_valid == (zeroises | mine))
        h.check(~mine | (control.target == expired[: len(control.target)]))
        h.check(~zeroises | (control.target == value[: len(control.target)]))
    h.check(~loads.all())
    h.lemma(~(asks | asked | started) | (asks + asked + started == 1))

    begun = counter(h, loads.any(), "begun", 2)
    h.cover((begun == 2) & loads_then[1])
    h.cover((begun == 1) & ~loading & ~written & (dut.bus.read_data == 0))
    h.cover((dut.bus.read_data == registers.STATUS_REFUSED) & ~written & (begun == 0))
    h.cover((dut.bus.read_data == registers.STATUS_REFUSED) & (begun == 1))
    h.cover(wipes & loading)
