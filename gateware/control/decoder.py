# SPDX-License-Identifier: Apache-2.0
"""Which register an access means, from the register map."""

from collections.abc import Sequence

from amaranth import Cat, Module, Signal
from amaranth.hdl import Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from custodes.register_map import WORD_BITS, Access, Block, Field, Register
from gateware.control.access import AccessInterface, AccessSignature
from gateware.pick import gated


class RegisterInterface(wiring.PureInterface):
    """What `register_signature` makes."""

    index: Signal
    value: Signal
    data: Signal
    reads: Signal
    writes: Signal
    busy: Signal


def register_signature(register: Register) -> wiring.Signature:
    """A register, as seen from the decoder.

    Members:
        index: which of several in a row, steady from a cycle before ``reads`` or ``writes``, so that ``value`` may come
            from the synchronous read port of a memory.
        value: what is read in the cycle in which ``reads`` is 1.
        data: what is written in the cycle in which ``writes`` is 1.
        busy: the access waits meanwhile.
    """
    return wiring.Signature(
        {
            "index": Out(range(register.count)),
            "value": In(WORD_BITS),
            "data": Out(WORD_BITS),
            "reads": Out(1),
            "writes": Out(1),
            "busy": In(1),
        }
    )


class Decoder(wiring.Component):
    """Registers behind an access interface.

    What has a register's address reaches it where the map says that it can be read, or written. Everything else is refused:
    no register sees it, and 0 is read, so that no register that is written only, as all that hold keys are, can be read.

    Args:
        blocks: of a register map.

    Members:
        access: of who asks.
        registers: by name in lower case, `register_signature` of each; also ``decoder["NAME"]``, and
            ``decoder.value("NAME", "FIELD")`` and ``decoder.data("NAME", "FIELD")`` of their fields.

    Latency: the reply is there 4 cycles after the request has been taken, later where the register is busy. Throughput: an
    access at a time. Nothing of an access stays when its reply has been taken. Reset: an access that is under way is
    forgotten, without a reply.
    """

    access: AccessInterface
    registers: wiring.PureInterface

    def __init__(self, blocks: Sequence[Block]) -> None:
        self.places = {
            register.name: (block.base + register.offset, register) for block in blocks for register in block.registers
        }
        registers = {name.lower(): Out(register_signature(register)) for name, (_, register) in self.places.items()}
        super().__init__({"access": In(AccessSignature()), "registers": Out(wiring.Signature(registers))})

    def __getitem__(self, name: str) -> RegisterInterface:
        """The register of this name in the map."""
        return getattr(self.registers, name.lower())

    def value(self, name: str, field: str) -> Value:
        """A field of what is read, to be driven."""
        return _bits(self[name].value, self.places[name][1].fields_read, field)

    def data(self, name: str, field: str) -> Value:
        """A field of what is written."""
        return _bits(self[name].data, self.places[name][1].fields_written, field)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        request, reply = self.access.request, self.access.reply
        asked = Signal.like(request.payload)
        # Free; then the register is chosen, its memory reads, it acts, and the reply waits to be taken.
        free, chooses, settles, acts = Signal(init=1), Signal(), Signal(), Signal()
        chosen = Signal(len(self.places))
        busy, done = Cat(self[name].busy for name in self.places), Signal()
        m.d.comb += [request.ready.eq(free), done.eq(acts & ~(chosen & busy).any())]
        m.d.sync += [chooses.eq(free & request.valid), settles.eq(chooses), acts.eq(settles | (acts & ~done))]
        with m.If(free & request.valid):
            m.d.sync += [asked.eq(request.payload), free.eq(0)]
        with m.If(chooses):
            m.d.sync += chosen.eq(Cat(_meant(asked.address, asked.write, *place) for place in self.places.values()))
        values: list[tuple[Value, Value]] = []
        for (name, (first, register)), mine in zip(self.places.items(), chosen, strict=True):
            member = self[name]
            m.d.comb += [
                member.data.eq(asked.data),
                member.reads.eq(done & mine & ~asked.write),
                member.writes.eq(done & mine & asked.write),
            ]
            if register.count > 1:
                m.d.sync += member.index.eq(asked.address - first)
            if register.access.readable:
                values.append((mine & ~asked.write, member.value))
        with m.If(done):
            m.d.sync += [
                reply.payload.data.eq(gated(values)),
                reply.payload.refused.eq(~chosen.any()),
                reply.valid.eq(1),
            ]
        with m.If(reply.valid & reply.ready):
            # What was written or read may have been a key.
            m.d.sync += [reply.valid.eq(0), reply.payload.eq(0), asked.eq(0), free.eq(1)]
        return m


def _bits(word: Value, fields: Sequence[Field], name: str) -> Value:
    place = {field.name: field for field in fields}[name]
    return word[place.lowest : place.lowest + place.width]


def _meant(address: Value, write: Value, first: int, register: Register) -> Value:
    """Whether it is this register, and may be read, or written."""
    bits = (register.count - 1).bit_length()
    if register.count == 1 << bits and not first % register.count:
        here = address[bits:] == first >> bits
    else:
        here = (address >= first) & (address < first + register.count)
    if register.access is Access.READ_WRITE:
        return here
    return here & (write if register.access is Access.WRITE else ~write)
