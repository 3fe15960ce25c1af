# SPDX-License-Identifier: Apache-2.0
"""Writes a device as C++ with the face of a verilated one: ``Vdevice``, its ports, and ``eval`` at either level of ``clk``.

`fast` works out only what can have changed; `recording` works out everything, and keeps a record of what did change.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from sim.activity import Activity, Class
from sim.netlist import WORD_BITS, Kind, Netlist, Refer, Unit, Variable, mask

TESTED_TOGETHER = 8
"""Classes of which none is due are passed over by so many at once."""
PER_FUNCTION = 400
EVAL = "void Vdevice::eval(){if(clk)tick();else settle();}"


def kept(variable: Variable) -> str:
    return f"s.{variable.name}"


def recording(netlist: Netlist, cycles: int) -> tuple[str, str]:
    """Header and source of the model that records ``cycles`` of a run, over and over.

    ``record(path)`` writes them: for each variable, memory and condition of a unit, one bit per cycle.
    """
    rows = len(netlist.variables) + len(netlist.memories) + len(netlist.units)

    def changed(row: int) -> str:
        return f"s.run[{row}][s.cycle/64]|=1ull<<s.cycle%64;"

    settle = [
        f"if({_port(netlist, v)}!={kept(v)}){{{kept(v)}={_port(netlist, v)};{changed(v.number)}}}"
        for v in netlist.variables
        if v.kind == Kind.INPUT
    ]
    settle += [
        f"{{const u64 n={netlist.computes(v, kept)};if(n!={kept(v)}){{{kept(v)}=n;{changed(v.number)}}}}}"
        for v in netlist.logic
    ]
    for unit in netlist.units:
        row = len(netlist.variables) + len(netlist.memories) + unit.number
        settle.append(f"if({netlist.holds(unit, kept) or '1'}){{{changed(row)}}}")
    tick = []
    for unit in sorted(netlist.units, key=lambda unit: unit.write is not None):
        body = "".join(f"s.n{r.number}={netlist.becomes(r, kept)};" for r in unit.registers)
        if unit.write:
            body = _write(netlist, unit, kept, changed(len(netlist.variables) + unit.write.memory.number))
        tick.append(f"if({netlist.holds(unit, kept) or '1'}){{{body}}}")
    registers = [v for v in netlist.variables if v.kind == Kind.REGISTER]
    tick += [f"if(s.n{r.number}!={kept(r)}){{{kept(r)}=s.n{r.number};{changed(r.number)}}}" for r in registers]
    source = ['#include "Vdevice.h"', "#include <cstdio>", "static Vdevice* device;"]
    calls = {}
    for name, lines in (("settle", settle), ("tick", tick)):
        calls[name] = []
        for at in range(0, len(lines), PER_FUNCTION):
            source += [f"static void {name}_{at}(Vdevice& s){{", *lines[at : at + PER_FUNCTION], "}"]
            calls[name].append(f"{name}_{at}(*this);")
    source += ["void Vdevice::settle(){", *calls["settle"], *_outputs(netlist), "}"]
    source += [f"void Vdevice::tick(){{cycle=(cycle+1)%{cycles};", *calls["tick"], "}", EVAL]
    source += [*_constructor(netlist, [*(f"s.n{r.number}={kept(r)};" for r in registers), "device=this;"])]
    source += ['extern "C" void forget(){std::memset(device->run,0,sizeof device->run);device->cycle=0;}']
    source += ['extern "C" int record(const char* path){FILE* file=std::fopen(path,"wb");if(!file)return 0;']
    source += [
        "const size_t written=std::fwrite(device->run,sizeof device->run,1,file);return !std::fclose(file)&&written;}"
    ]
    fields = [f"{_type(v.width)} {v.name};" for v in netlist.variables]
    fields += [f"{_type(r.width)} n{r.number};" for r in registers]
    return _header(netlist, [*fields, f"u64 cycle; u64 run[{rows}][{cycles // 64}];"]), "\n".join(source)


class _Fast:
    def __init__(self, activity: Activity) -> None:
        self.activity, self.netlist = activity, activity.netlist
        self.source: list[str] = []
        classes = [*activity.logic, *activity.clocked]
        self.first_clocked = -(-len(activity.logic) // WORD_BITS) * WORD_BITS
        numbers = [*range(len(activity.logic)), *(self.first_clocked + at for at in range(len(activity.clocked)))]
        self.number = dict(zip(classes, numbers, strict=True))
        self.words = -(-(numbers[-1] + 1) // WORD_BITS)
        self.woken: defaultdict[int, defaultdict[int, int]] = defaultdict(lambda: defaultdict(int))
        for each, at in self.number.items():
            for waker in activity.bits_of(each.wakers):
                self.woken[waker][at // WORD_BITS] |= 1 << at % WORD_BITS
        self.kept = self._kept()

    def _kept(self) -> set[Variable]:
        """What is used outside the class or unit that works it out."""
        netlist = self.netlist
        users: defaultdict[Variable, set[object]] = defaultdict(set)
        place: dict[Variable, object] = {}
        for each in self.activity.logic:
            for variable in each.logic:
                place[variable] = each
        for unit, own in self.activity.own.items():
            place |= dict.fromkeys(own, unit)
            for variable in netlist.data_of(unit):
                users[variable].add(unit)
            for variable in netlist.condition_of(unit):
                users[variable].add(None)
        for port in netlist.ports.values():
            for variable in netlist.variables_of(port["bits"]):
                users[variable].add(None)
        for variable in netlist.logic:
            for source in netlist.sources[variable]:
                users[source].add(place[variable])
        return {v for v in netlist.logic if v in self.activity.watched or users[v] - {place[v]}}

    def wakes(self, source: object) -> str:
        waker = self.activity.waker(source)
        masks = {} if waker is None else self.woken[waker]
        return "".join(f"s.due[{word}]|={bits:#x}ull;" for word, bits in sorted(masks.items()))

    def replace(self, new: Iterable[tuple[Variable, str]]) -> None:
        """Give variables their new values, and wake what depends on those that change."""
        together: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
        for variable, value in new:
            together[self.wakes(variable)].append((kept(variable), value))
        for wakes, pairs in together.items():
            stores = "".join(f"{name}={value};" for name, value in pairs)
            test = "|".join(f"({name}^{value})" for name, value in pairs)
            self.source.append(f"if({test}){{{stores}{wakes}}}" if wakes else stores)

    def work_out(self, logic: Sequence[Variable]) -> dict[Variable, str]:
        local: dict[Variable, str] = {}
        for variable in logic:
            value = self.netlist.computes(variable, lambda v: local.get(v, kept(v)))
            self.source.append(f"const u64 t{variable.number}={value};")
            local[variable] = f"t{variable.number}"
        return local

    def logic(self, each: Class) -> None:
        local = self.work_out(each.logic)
        self.source += [f"{kept(v)}={name};" for v, name in local.items() if v in self.kept - self.activity.watched]
        self.replace((v, name) for v, name in local.items() if v in self.activity.watched)

    def clocked(self, each: Class) -> None:
        """All that is read is read before anything is written."""
        registers = [r for unit in each.units for r in unit.registers]
        alone = len(each.units) == 1
        for unit in each.units:
            keep = unit.condition and not alone
            self.source += [f"u64 n{r.number}{f'={kept(r)}' if keep else ''};" for r in unit.registers]
        for unit in each.units:
            condition = "" if alone else self.netlist.holds(unit, kept)
            self.source.append(f"{f'if({condition})' if condition else ''}{{")
            local = self.work_out(self.activity.own[unit])

            def refer(variable: Variable, local: dict[Variable, str] = local) -> str:
                return local.get(variable, kept(variable))

            self.source += [f"n{r.number}={self.netlist.becomes(r, refer)};" for r in unit.registers]
            if unit.write:
                self.source.append(_write(self.netlist, unit, refer, self.wakes(unit.write.memory.name)))
            self.source.append("}")
        self.replace((r, f"n{r.number}") for r in registers)

    def functions(self, classes: Sequence[Class], name: str, due: str, result: str) -> None:
        """A function for the classes of each word of ``due``."""
        for first in range(0, len(classes), WORD_BITS):
            word = self.number[classes[first]] // WORD_BITS
            self.source.append(f"static __attribute__((noinline)) u64 {name}_{word}(Vdevice& s,u64 now){{")
            for at, each in enumerate(classes[first : first + WORD_BITS]):
                bits = due.format(word)
                if at % TESTED_TOGETHER == 0:
                    self.source.append(f"{'}' if at else ''}if({bits}&{mask(TESTED_TOGETHER) << at:#x}ull){{")
                condition = self.netlist.holds(each.units[0], kept) if len(each.units) == 1 else ""
                self.source.append(f"if({bits}&{1 << at:#x}ull{f'&&({condition})' if condition else ''}){{")
                if each.units:
                    self.source.append(f"now&=~{1 << at:#x}ull;")
                    self.clocked(each)
                else:
                    self.logic(each)
                self.source.append("}")
            self.source.append(f"}}return {result};}}")


def fast(activity: Activity) -> tuple[str, str]:
    """Header and source of the model that works out only what is due."""
    make, netlist = _Fast(activity), activity.netlist
    # Logic can become due while its word is worked through; what is clocked stays due until its condition holds.
    make.functions(activity.logic, "settle", "s.due[{}]", "0")
    make.functions(activity.clocked, "tick", "now", "now")
    source, make.source = make.source, []
    inputs = [v for v in netlist.variables if v.kind == Kind.INPUT]
    make.replace((v, _port(netlist, v)) for v in inputs)
    source += ["void Vdevice::settle(){auto& s=*this;", *make.source]
    words = make.first_clocked // WORD_BITS
    source = [*source, *(f"if(due[{at}])due[{at}]=settle_{at}(*this,0);" for at in range(words))]
    source += [*_outputs(netlist), "}"]
    # What becomes due at an edge is due at the next.
    source += [f"void Vdevice::tick(){{u64 now[{make.words}];std::memcpy(now,due,sizeof now);"]
    source += [f"std::memset(due+{words},0,sizeof due-{8 * words});"]
    source += [f"if(now[{at}])now[{at}]=tick_{at}(*this,now[{at}]);" for at in range(words, make.words)]
    source += [f"for(int i={words};i<{make.words};i++)due[i]|=now[i];}}", EVAL]
    source += _constructor(netlist, ["std::memset(due,255,sizeof due);"])
    state = [v for each in activity.logic for v in each.logic if v in make.kept]
    state += [r for each in activity.clocked for unit in each.units for r in unit.registers]
    fields = [f"u64 due[{make.words}];", *(f"{_type(v.width)} {v.name};" for v in (*inputs, *state))]
    return _header(netlist, fields), "\n".join(['#include "Vdevice.h"', *source])


def _type(bits: int) -> str:
    return next(f"uint{size}_t" for size in (8, 16, 32, 64) if bits <= size)


def _port(netlist: Netlist, variable: Variable) -> str:
    name = f"s.{variable.origin}"
    if len(netlist.ports[variable.origin]["bits"]) <= WORD_BITS:
        return name
    return f"(u64({name}[{variable.low // 32}])|u64({name}[{variable.low // 32 + 1}])<<32)"


def _outputs(netlist: Netlist) -> list[str]:
    lines = ["auto& s=*this;"]
    for name, port in netlist.ports.items():
        bits = port["bits"]
        if port["direction"] == "output" and len(bits) <= WORD_BITS:
            lines.append(f"{name}={netlist.value(bits, kept)};")
        elif port["direction"] == "output":
            parts = range(0, len(bits), 32)
            lines += [f"{name}[{low // 32}]={netlist.value(bits[low : low + 32], kept)};" for low in parts]
    return ["{", *lines, "}"]


def _write(netlist: Netlist, unit: Unit, refer: Refer, then: str) -> str:
    write = unit.write
    assert write is not None
    lines = [f"auto& row=s.{write.memory.name}[{netlist.value(write.address, refer)}];"]
    lows = range(0, write.memory.width, WORD_BITS)
    for at, low in enumerate(lows):
        part = slice(low, low + WORD_BITS)
        data, enable = netlist.value(write.data[part], refer), netlist.value(write.enable[part], refer)
        lines.append(f"const u64 e{at}={enable},w{at}=(row.w{at}&~e{at})|({data}&e{at});")
    test = "|".join(f"(row.w{at}^w{at})" for at in range(len(lows)))
    stores = "".join(f"row.w{at}=w{at};" for at in range(len(lows)))
    return f"{''.join(lines)}if({test}){{{stores}{then}}}"


def _constructor(netlist: Netlist, then: list[str]) -> list[str]:
    lines = ["Vdevice::Vdevice(){std::memset(static_cast<void*>(this),0,sizeof *this);auto& s=*this;"]
    lines += [f"{kept(v)}={v.init:#x}ull;" for v in netlist.variables if v.init]
    for memory in netlist.memories.values():
        for at, row in enumerate(memory.init):
            for low in range(0, memory.width, WORD_BITS):
                if word := row >> low & mask(WORD_BITS):
                    lines.append(f"s.{memory.name}[{at}].w{low // WORD_BITS}={word:#x}ull;")
    return [*lines, *then, "}"]


def _header(netlist: Netlist, fields: list[str]) -> str:
    lines = ["#pragma once", "#include <cstdint>", "#include <cstring>", "using CData=uint8_t;using u64=uint64_t;"]
    lines += ["struct Vdevice{", "CData clk;"]
    for name, port in netlist.ports.items():
        bits = len(port["bits"])
        lines.append(f"{_type(bits)} {name};" if bits <= WORD_BITS else f"uint32_t {name}[{-(-bits // 32)}];")
    lines += fields
    for memory in netlist.memories.values():
        lows = range(0, memory.width, WORD_BITS)
        row = "".join(f"{_type(min(WORD_BITS, memory.width - low))} w{low // WORD_BITS};" for low in lows)
        lines.append(f"struct{{{row}}}{memory.name}[{1 << memory.address_bits}];")
    return "\n".join([*lines, "Vdevice();void settle();void tick();void eval();void final(){}", "};", ""])
