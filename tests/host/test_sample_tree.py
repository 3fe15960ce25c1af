# SPDX-License-Identifier: Apache-2.0
"""The tree over pairs, against the recursive definition of RFC 6962, 2.1, and the selection."""

from __future__ import annotations

from hashlib import sha256

import pytest

from custodes.gateway_formats import ALWAYS
from custodes.sample_tree import NO_LEAVES, commitment, included, leaf, node, proof, root, selected

COUNTS = [*range(1, 20), 31, 32, 33, 100]


def by_definition(leaves: list[bytes]) -> bytes:
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sha256(b"\0\0\0\1" + by_definition(leaves[:k]) + by_definition(leaves[k:])).digest()


def some(count: int) -> list[bytes]:
    return [sha256(i.to_bytes(4)).digest() for i in range(count)]


@pytest.mark.parametrize("count", COUNTS)
def test_the_root_is_that_of_the_definition(count: int):
    assert root(some(count)) == by_definition(some(count))


def test_no_leaves_have_a_root_of_zeros():
    assert root([]) == NO_LEAVES == bytes(32)


@pytest.mark.parametrize("count", COUNTS)
def test_a_proof_holds_for_its_leaf_and_place_only(count: int):
    leaves = some(count)
    whole = root(leaves)
    for i, digest in enumerate(leaves):
        path = proof(leaves, i)
        assert included(digest, i, count, path, whole)
        assert not included(bytes(32), i, count, path, whole)
        assert not included(digest, i, count, path, bytes(32))
        assert not included(digest, i, count, [*path, bytes(32)], whole)
        assert not path or not included(digest, i, count, path[:-1], whole)
        assert not included(digest, count + i, count, path, whole)
        assert all(not included(digest, other, count, path, whole) for other in range(count) if other != i)


def test_there_is_no_proof_of_what_is_not_there():
    with pytest.raises(IndexError):
        proof(some(3), 3)
    assert not included(bytes(32), 0, 0, [], bytes(32))


def test_leaf_node_and_commitment_are_of_different_domains():
    assert leaf(b"tag", b"transcript") == sha256(b"\0\0\0\0tagtranscript").digest()
    assert node(b"left", b"right") == sha256(b"\0\0\0\1leftright").digest()
    assert commitment(b"key") == sha256(b"custodes/sampler/v1\0key").digest()


def test_the_threshold_is_a_strict_bound():
    tag = bytes(range(20))
    value = int.from_bytes(sha256(b"key" + tag[:16]).digest()[:8])
    assert selected(b"key", value + 1, tag) and not selected(b"key", value, tag)
    assert not selected(b"key", 0, tag) and selected(b"key", ALWAYS, tag)
    assert selected(b"key", value + 1, tag[:16] + b"else"), "the last word says nothing"
