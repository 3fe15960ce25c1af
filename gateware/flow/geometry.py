# SPDX-License-Identifier: Apache-2.0
"""How wide the numbers of a flow table are."""

from dataclasses import dataclass

from amaranth.lib import data

from custodes.flow_table import FLOW_WAYS, MAX_FLOWS, MIN_FLOWS, flow_sets
from gateware.flow.layouts import STAMP_BITS


@dataclass(frozen=True)
class Geometry:
    """Of a table of so many flows, of which so many ways of a set are looked at in a cycle.

    A slot is a side and ``low_bits`` of the mapped port. A place is a set of the hash table and a way of it; the lowest bits
    of the way say in which of the memories that are read ``abreast`` it is, the others and the set in which row.
    """

    flows: int
    abreast: int = FLOW_WAYS

    def __post_init__(self) -> None:
        if not MIN_FLOWS <= self.flows <= MAX_FLOWS or self.flows & (self.flows - 1):
            raise ValueError(f"flows must be a power of two, {MIN_FLOWS} to {MAX_FLOWS}, not {self.flows}")
        if FLOW_WAYS % self.abreast:
            raise ValueError(f"abreast must divide {FLOW_WAYS}, not be {self.abreast}")

    @property
    def sets(self) -> int:
        return flow_sets(self.flows)

    @property
    def slot_bits(self) -> int:
        return (self.flows - 1).bit_length()

    @property
    def low_bits(self) -> int:
        return self.slot_bits - 1

    @property
    def set_bits(self) -> int:
        return (self.sets - 1).bit_length()

    @property
    def rows(self) -> int:
        """That a set takes of each memory of keys."""
        return FLOW_WAYS // self.abreast

    @property
    def abreast_bits(self) -> int:
        return (self.abreast - 1).bit_length()

    @property
    def row_bits(self) -> int:
        """Of the address of a row of keys: of the ways of a set, which, and the set."""
        return (self.rows - 1).bit_length() + self.set_bits

    @property
    def place(self) -> data.StructLayout:
        return data.StructLayout({"way": range(FLOW_WAYS), "set": self.set_bits})

    @property
    def home(self) -> data.StructLayout:
        """What is kept by slot for finding flows: whether there is one, whether it is closed, the tick of its last use, and
        its place."""
        return data.StructLayout({"used": 1, "closed": 1, "stamp": STAMP_BITS, "place": self.place})

    @property
    def found(self) -> data.StructLayout:
        """A flow: ``begun`` by the sender, its slot and place, what initiator and responder call its port, and whether it is
        mapped and closed."""
        return data.StructLayout(
            {
                "begun": 1,
                "slot": self.slot_bits,
                "place": self.place,
                "initiator_port": 16,
                "field": 15,
                "mapped": 1,
                "closed": 1,
            }
        )
