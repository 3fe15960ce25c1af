# SPDX-License-Identifier: Apache-2.0
"""Arithmetic in the field of GHASH: NIST SP 800-38D, 6.3. Bit i of a value is the coefficient of x^i; modulo
x^128 + x^7 + x^2 + x + 1."""

from collections.abc import Sequence
from functools import reduce
from operator import xor

from amaranth import Cat, Const, Mux
from amaranth.hdl import Value

BITS = 128
_LOWER_POWERS = (0, 1, 2, 7)


def element(data: Value) -> Value:
    """Bytes, the first lowest, as coefficients; and coefficients as bytes. A byte's highest bit comes first."""
    return Cat(data[8 * (i // 8) + 7 - i % 8] for i in range(len(data)))


def total(values: Sequence[Value]) -> Value:
    """The sum."""
    return reduce(xor, values)


def times_power(value: Value, power: int) -> Value:
    """``value`` of 128 bits times x^power, for powers up to 121."""
    over = value[BITS - power :]
    return total([Cat(Const(0, power), value[: BITS - power]), *(over << k for k in _LOWER_POWERS)])[:BITS]


def reduced(product: Value) -> Value:
    """A product of up to 249 bits, as an element."""
    while len(product) > BITS:
        over = product[BITS:]
        product = total([product[:BITS], *(over << k for k in _LOWER_POWERS)])
        product = product[: max(BITS, len(over) + _LOWER_POWERS[-1])]
    return product


def product(a: Value, b: Value) -> Value:
    """Of two polynomials, not reduced."""
    return total([Mux(a[i], b, 0) << i for i in range(len(a))])[: len(a) + len(b) - 1]


def factors(a: Value, b: Value, size: int) -> list[tuple[Value, Value]]:
    """Two polynomials of as many bits each, split in the manner of Karatsuba: pairs of at most ``size`` bits, whose products
    `assembled` makes their product of."""
    bits = len(a)
    if bits <= size:
        return [(a, b)]
    half = bits // 2
    low, high = (a[:half], b[:half]), (a[half:], b[half:])
    middle = tuple(x ^ y for x, y in zip(low, high, strict=True))
    return [pair for x, y in (low, middle, high) for pair in factors(x, y, size)]


def assembled(products: Sequence[Value], bits: int) -> Value:
    """The product of two polynomials of ``bits`` bits out of those of their `factors`."""
    if len(products) == 1:
        return products[0]
    third, half = len(products) // 3, bits // 2
    low, middle, high = (assembled(products[k * third : (k + 1) * third], half) for k in range(3))
    return total([low, (low ^ middle ^ high) << half, high << bits])[: 2 * bits - 1]
