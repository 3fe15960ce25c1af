# SPDX-License-Identifier: Apache-2.0
"""What a sampler commits to, and with what it selects: `custodes.gateway_formats` in functions.

The tree is that of RFC 6962, 2.1; a proof is the audit path of its 2.1.1, from the leaf's sibling up to the root's child.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from custodes.gateway_formats import (
    ALWAYS,
    COMMITMENT_DOMAIN,
    DIGEST_WORDS,
    LEAF_DOMAIN,
    NODE_DOMAIN,
    TAG_WORDS,
    WORD_BYTES,
)

DIGEST_BYTES = DIGEST_WORDS * WORD_BYTES
TAG_BYTES = TAG_WORDS * WORD_BYTES
NO_LEAVES = bytes(DIGEST_BYTES)
"""The root of a tree of none."""
_LEAF, _NODE = LEAF_DOMAIN.to_bytes(WORD_BYTES), NODE_DOMAIN.to_bytes(WORD_BYTES)


def commitment(key: bytes) -> bytes:
    """To the key of an epoch."""
    return sha256(COMMITMENT_DOMAIN + key).digest()


def selected(key: bytes, threshold: int, tag: bytes) -> bool:
    """Whether the pair with this tag, of all its words, is kept."""
    if threshold == ALWAYS:
        return True
    return int.from_bytes(sha256(key + tag[: TAG_BYTES - WORD_BYTES]).digest()[:8]) < threshold


def leaf(tag: bytes, transcript: bytes) -> bytes:
    """The digest of a pair."""
    return sha256(_LEAF + tag + transcript).digest()


def node(left: bytes, right: bytes) -> bytes:
    """The digest of two digests."""
    return sha256(_NODE + left + right).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """The root over leaves, in the order of their indices."""
    if not leaves:
        return NO_LEAVES
    return _levels(leaves)[-1][0]


def proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The audit path of the leaf with an index: what `included` needs."""
    if not 0 <= index < len(leaves):
        raise IndexError(f"there is no leaf {index} of {len(leaves)}")
    path = []
    for level in _levels(leaves)[:-1]:
        if index ^ 1 < len(level):
            path.append(level[index ^ 1])
        index >>= 1
    return path


def included(digest: bytes, index: int, count: int, path: Sequence[bytes], whole: bytes) -> bool:
    """Whether the audit path shows that the leaf ``digest`` has this index among ``count``, under the root ``whole``."""
    if not 0 <= index < count:
        return False
    siblings = iter(path)
    last = count - 1
    try:
        while last:
            if index & 1:
                digest = node(next(siblings), digest)
            elif index < last:
                digest = node(digest, next(siblings))
            index, last = index >> 1, last >> 1
    except StopIteration:
        return False
    return next(siblings, None) is None and digest == whole


def _levels(leaves: Sequence[bytes]) -> list[Sequence[bytes]]:
    """The tree, leaves first: a node that has no sibling stands for its parent, which makes the shape of RFC 6962."""
    levels = [leaves]
    while len(levels[-1]) > 1:
        below = levels[-1]
        level = [node(below[i], below[i + 1]) for i in range(0, len(below) - 1, 2)]
        levels.append([*level, below[-1]] if len(below) & 1 else level)
    return levels
