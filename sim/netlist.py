# SPDX-License-Identifier: Apache-2.0
"""A synthesized device as variables of at most 64 bits, and C++ expressions for what they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

WORD_BITS = 64
Bit = int | str
"""The number of a net, or one of "0", "1", "x"."""
Bits = Sequence[Bit]
Refer = Callable[["Variable"], str]
"""How a variable is called where an expression stands."""
LOGIC = {"$and": "&", "$or": "|", "$xor": "^"}
ARITHMETIC = {"$add": "+", "$sub": "-"}
COMPARISONS = {"$lt": "<", "$le": "<=", "$gt": ">", "$ge": ">="}


class Kind(Enum):
    """Where a variable gets its value; the letter is that of its name."""

    INPUT = "i"
    REGISTER = "q"
    LOGIC = "c"
    READ = "m"


@dataclass(eq=False)
class Variable:
    """Bits ``low`` and up of a port or of what a cell drives."""

    number: int
    kind: Kind
    width: int
    origin: str
    low: int
    init: int = 0

    @property
    def name(self) -> str:
        return f"{self.kind.value}{self.number}"

    @property
    def computed(self) -> bool:
        return self.kind in (Kind.LOGIC, Kind.READ)


@dataclass
class Memory:
    number: int
    width: int
    address_bits: int
    init: list[int]

    @property
    def name(self) -> str:
        return f"memory{self.number}"


@dataclass
class Write:
    memory: Memory
    address: Bits
    data: Bits
    enable: Bits


@dataclass(eq=False)
class Unit:
    """What is clocked where any bit of ``condition`` has its value (always where there is none): registers or one write."""

    number: int
    condition: tuple[tuple[Bit, bool], ...]
    registers: list[Variable] = field(default_factory=list)
    write: Write | None = None


@dataclass
class Next:
    """What a register becomes: ``data``, or ``value`` where ``reset`` is 1."""

    data: Bits
    reset: Bit | None
    value: int


def mask(bits: int) -> int:
    return (1 << bits) - 1


def words(bits: Bits) -> list[Bits]:
    return [bits[low : low + WORD_BITS] for low in range(0, len(bits), WORD_BITS)]


class Netlist:
    """Module ``device`` of what Yosys writes as JSON, flat, memories without registers of their own.

    Members:
        variables, memories, units: see there.
        logic: the variables that are computed, each after those that it is computed from.
        sources: what each of them is computed from; a `Memory` is not among them.
    """

    def __init__(self, design: dict[str, Any]) -> None:
        module = design["modules"]["device"]
        self.ports: dict[str, dict[str, Any]] = {name: port for name, port in module["ports"].items() if name != "clk"}
        self.cells: dict[str, dict[str, Any]] = module["cells"]
        self.variables: list[Variable] = []
        self.memories: dict[str, Memory] = {}
        self.next: dict[Variable, Next] = {}
        self._place: dict[Bit, tuple[Variable, int]] = {}
        units: dict[object, Unit] = {}
        inits = _inits(module["netnames"].values())
        for name, port in self.ports.items():
            if port["direction"] == "input":
                self._add(Kind.INPUT, name, port["bits"])
        for name, cell in self.cells.items():
            ports = cell["connections"]
            if cell["type"] == "$mem_v2":
                self._add_memory(name, cell, units)
            elif "Q" in ports:
                self._add_registers(name, cell, units, inits)
            else:
                self._add(Kind.LOGIC, name, ports["Y"])
        self.units = list(units.values())
        self.sources = {v: self.variables_of(self._inputs(v)) for v in self.variables if v.computed}
        self.logic = self._in_order()

    def _add(self, kind: Kind, origin: str, bits: Bits) -> list[Variable]:
        made = []
        for low in range(0, len(bits), WORD_BITS):
            part = bits[low : low + WORD_BITS]
            variable = Variable(len(self.variables), kind, len(part), origin, low)
            self.variables.append(variable)
            self._place |= {bit: (variable, at) for at, bit in enumerate(part)}
            made.append(variable)
        return made

    def _add_memory(self, name: str, cell: dict[str, Any], units: dict[object, Unit]) -> None:
        ports, width, address_bits = cell["connections"], number(cell, "WIDTH"), number(cell, "ABITS")
        init = cell["parameters"]["INIT"].replace("x", "0")
        rows = [
            int(init[len(init) - at - width : len(init) - at], 2) for at in range(0, len(init) // width * width, width)
        ]
        memory = self.memories[name] = Memory(len(self.memories), width, address_bits, rows)
        for port in range(number(cell, "RD_PORTS")):
            for read in self._add(Kind.READ, name, ports["RD_DATA"][port * width : (port + 1) * width]):
                read.low += port * width
        for port in range(number(cell, "WR_PORTS")):
            data, enable = (ports[key][port * width : (port + 1) * width] for key in ("WR_DATA", "WR_EN"))
            address = ports["WR_ADDR"][port * address_bits : (port + 1) * address_bits]
            condition = tuple((bit, True) for bit in dict.fromkeys(enable))
            units[name, port] = Unit(len(units), condition, write=Write(memory, address, data, enable))

    def _add_registers(self, name: str, cell: dict[str, Any], units: dict[object, Unit], inits: dict[Bit, int]) -> None:
        ports, kind = cell["connections"], cell["type"]
        reset = ports["SRST"][0] if "SRST" in ports else None
        if kind not in ("$dff", "$dffe", "$sdff", "$sdffe", "$sdffce") or (reset and not number(cell, "SRST_POLARITY")):
            raise NotImplementedError(kind)
        condition: tuple[tuple[Bit, bool], ...] = ()
        if "EN" in ports:
            condition = ((ports["EN"][0], bool(number(cell, "EN_POLARITY"))),)
            if reset is not None and kind == "$sdffe":
                condition += ((reset, True),)
        for register in self._add(Kind.REGISTER, name, ports["Q"]):
            part = slice(register.low, register.low + register.width)
            value = number(cell, "SRST_VALUE") >> register.low & mask(register.width) if reset is not None else 0
            self.next[register] = Next(ports["D"][part], reset, value)
            register.init = sum(inits.get(bit, 0) << at for at, bit in enumerate(ports["Q"][part]))
            units.setdefault(condition or register, Unit(len(units), condition)).registers.append(register)

    def _in_order(self) -> list[Variable]:
        order: list[Variable] = []
        seen: set[Variable] = set()
        for root in self.sources:
            stack: list[tuple[Variable, Iterator[Variable]]] = (
                [(root, iter(self.sources[root]))] if root not in seen else []
            )
            seen.add(root)
            while stack:
                variable, rest = stack[-1]
                for source in rest:
                    if source.computed and source not in seen:
                        seen.add(source)
                        stack.append((source, iter(self.sources[source])))
                        break
                else:
                    order.append(variable)
                    stack.pop()
        return order

    def variables_of(self, bits: Iterable[Bit]) -> list[Variable]:
        return list(dict.fromkeys(self._place[bit][0] for bit in bits if isinstance(bit, int)))

    def memory_of(self, variable: Variable) -> Memory | None:
        return self.memories[variable.origin] if variable.kind == Kind.READ else None

    def data_of(self, unit: Unit) -> list[Variable]:
        """What the registers or the write of ``unit`` take their values from."""
        bits: list[Bit] = []
        for register in unit.registers:
            becomes = self.next[register]
            bits += [*becomes.data, *([becomes.reset] if becomes.reset is not None else [])]
        if unit.write:
            bits += [*unit.write.address, *unit.write.data, *unit.write.enable]
        return self.variables_of(bits)

    def condition_of(self, unit: Unit) -> list[Variable]:
        return self.variables_of(bit for bit, _ in unit.condition)

    def _inputs(self, variable: Variable) -> list[Bit]:
        """The bits that ``variable`` is computed from."""
        cell = self.cells[variable.origin]
        ports = cell["connections"]
        if variable.kind == Kind.READ:
            return self._read_address(variable)
        low, high, width = variable.low, variable.low + variable.width, len(ports["Y"])
        if cell["type"] in ("$mux", "$pmux"):
            choices = [ports["B"][at + low : at + high] for at in range(0, len(ports["B"]), width)]
            return [*ports["A"][low:high], *(bit for choice in choices for bit in choice), *ports["S"]]
        if width > WORD_BITS and (cell["type"] in LOGIC or cell["type"] == "$not"):
            return [bit for key in ("A", "B") if key in ports for bit in ports[key][low:high]]
        return [*ports["A"], *ports.get("B", ())]

    def _read_address(self, variable: Variable) -> list[Bit]:
        memory = self.memories[variable.origin]
        port, bits = variable.low // memory.width, memory.address_bits
        return self.cells[variable.origin]["connections"]["RD_ADDR"][port * bits : (port + 1) * bits]

    def value(self, bits: Bits, refer: Refer) -> str:
        """An expression for at most 64 bits."""
        parts = []
        at = 0
        while at < len(bits):
            bit, end = bits[at], at + 1
            if isinstance(bit, str):
                if bit == "1":
                    parts.append(f"{1 << at:#x}ull")
                at = end
                continue
            variable, low = self._place[bit]
            text = refer(variable)
            if end < len(bits) and bits[end] == bit:
                while end < len(bits) and bits[end] == bit:
                    end += 1
                parts.append(f"(-(u64)({text}>>{low}&1)&{mask(end - at) << at:#x}ull)")
            else:
                while end < len(bits) and self._place.get(bits[end]) == (variable, low + end - at):
                    end += 1
                text = f"({text}>>{low})" if low else text
                if low + end - at < variable.width:
                    text = f"({text}&{mask(end - at):#x}ull)"
                parts.append(f"((u64){text}<<{at})" if at else text)
            at = end
        return f"({'|'.join(parts)})" if parts else "0ull"

    def becomes(self, register: Variable, refer: Refer) -> str:
        becomes = self.next[register]
        data = self.value(becomes.data, refer)
        return data if becomes.reset is None else f"({self.value([becomes.reset], refer)}?{becomes.value:#x}ull:{data})"

    def holds(self, unit: Unit, refer: Refer) -> str:
        """The condition of ``unit``; empty where there is none."""
        return "||".join(("" if value else "!") + self.value([bit], refer) for bit, value in unit.condition)

    def computes(self, variable: Variable, refer: Refer) -> str:
        """An expression for what ``variable`` is, given what it is computed from."""
        cell = self.cells[variable.origin]
        kind, ports = cell["type"], cell["connections"]
        if variable.kind == Kind.READ:
            memory = self.memories[variable.origin]
            row = self.value(self._read_address(variable), refer)
            return f"s.{memory.name}[{row}].w{variable.low % memory.width // WORD_BITS}"
        low, high, width = variable.low, variable.low + variable.width, len(ports["Y"])
        if kind in ("$mux", "$pmux"):
            text = self.value(ports["A"][low:high], refer)
            for at in reversed(range(len(ports["S"]))):
                choice = self.value(ports["B"][at * width + low : at * width + high], refer)
                text = f"({self.value([ports['S'][at]], refer)}?{choice}:{text})"
            return text
        signed = all(number(cell, f"{key}_SIGNED") for key in ("A", "B") if key in ports)
        whole = kind in LOGIC or kind in ARITHMETIC or kind == "$not"
        operands = _extended(signed, width if whole else 1, [ports[key] for key in ("A", "B") if key in ports])
        if whole:
            operands = [bits[low:high] for bits in operands]
        values = [[self.value(word, refer) for word in words(bits)] for bits in operands]
        return self._computes(kind, variable.width, signed, values, len(operands[0]))

    @staticmethod
    def _computes(kind: str, width: int, signed: bool, values: list[list[str]], bits: int) -> str:
        a, b = values[0], values[-1]
        if kind in ("$eq", "$ne"):
            same = "&&".join(f"{x}=={y}" for x, y in zip(a, b, strict=True))
            return f"u64({same})" if kind == "$eq" else f"u64(!({same}))"
        if kind in ("$reduce_or", "$reduce_bool", "$logic_not"):
            return f"u64(({'|'.join(a)}){'==' if kind == '$logic_not' else '!='}0)"
        if kind == "$reduce_xor":
            return f"u64(__builtin_parityll({'^'.join(a)}))"
        if kind == "$reduce_and":
            widths = [min(WORD_BITS, bits - at) for at in range(0, bits, WORD_BITS)]
            return f"u64({'&&'.join(f'{x}=={mask(n):#x}ull' for x, n in zip(a, widths, strict=True))})"
        if len(a) > 1:
            raise NotImplementedError(f"{kind} of {bits} bits")
        if kind == "$not":
            return f"(~{a[0]}&{mask(width):#x}ull)"
        if kind in COMPARISONS:
            # Signed numbers are compared at the upper end of a word, where their sign is the word's.
            x, y = (f"int64_t(u64({v[0]})<<{WORD_BITS - bits})" if signed else f"u64({v[0]})" for v in values)
            return f"u64({x}{COMPARISONS[kind]}{y})"
        operator = LOGIC.get(kind) or ARITHMETIC[kind]
        return f"((u64({a[0]}){operator}u64({b[0]}))&{mask(width):#x}ull)"


def number(cell: dict[str, Any], parameter: str) -> int:
    return int(cell["parameters"][parameter].replace("x", "0") or "0", 2)


def _inits(nets: Iterable[dict[str, Any]]) -> dict[Bit, int]:
    return {
        bit: int(value == "1")
        for net in nets
        for bit, value in zip(net["bits"], reversed(net["attributes"].get("init", "")), strict=False)
        if value in "01"
    }


def _extended(signed: bool, least: int, operands: list[Bits]) -> list[Bits]:
    """All as long as the longest and at least ``least``."""
    length = max(least, *map(len, operands))
    return [[*bits, *[bits[-1] if signed and bits else "0"] * (length - len(bits))] for bits in operands]
