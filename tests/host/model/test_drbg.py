# SPDX-License-Identifier: Apache-2.0
"""Hash_DRBG of the specification against NIST's vectors: CAVP, SHA-256, without personalization and additional input."""

import pytest

from custodes.model.drbg import RESEED_INTERVAL, HashDrbg

RETURNED_BYTES = 128


def test_answers_as_nist_without_reseeding():
    """drbgvectors_no_reseed, the first of the second request."""
    drbg = HashDrbg(
        bytes.fromhex("a65ad0f345db4e0effe875c3a2e71f42c7129d620ff5c119a9ef55f05185e0fb"),
        bytes.fromhex("8581f9317517276e06e9607ddbcbcc2e"),
    )
    drbg.generate(RETURNED_BYTES)
    assert drbg.generate(RETURNED_BYTES).hex() == (
        "d3e160c35b99f340b2628264d1751060e0045da383ff57a57d73a673d2b8d80d"
        "aaf6a6c35a91bb4579d73fd0c8fed111b0391306828adfed528f018121b3febd"
        "c343e797b87dbb63db1333ded9d1ece177cfa6b71fe8ab1da46624ed6415e51c"
        "cde2c7ca86e283990eeaeb91120415528b2295910281b02dd431f4c9f70427df"
    )


def test_answers_as_nist_after_reseeding():
    """drbgvectors_pr_false, the first."""
    drbg = HashDrbg(
        bytes.fromhex("63363377e41e86468deb0ab4a8ed683f6a134e47e014c700454e81e95358a569"),
        bytes.fromhex("808aa38f2a72a62359915a9f8a04ca68"),
    )
    drbg.reseed(bytes.fromhex("e62b8a8ee8f141b6980566e3bfe3c04903dad4ac2cdf9f2280010a6739bc83d3"))
    drbg.generate(RETURNED_BYTES)
    assert drbg.generate(RETURNED_BYTES).hex() == (
        "04eec63bb231df2c630a1afbe724949d005a587851e1aa795e477347c8b05662"
        "1c18bddcdd8d99fc5fc2b92053d8cfacfb0bb8831205fad1ddd6c071318a6018"
        "f03b73f5ede4d4d071f9de03fd7aea105d9299b8af99aa075bdb4db9aa28c18d"
        "174b56ee2a014d098896ff2282c955a81969e069fa8ce007a180183a07dfae17"
    )


def test_a_seed_that_is_used_up_makes_nothing():
    drbg = HashDrbg(bytes(32), bytes(16))
    drbg.requests = RESEED_INTERVAL + 1
    with pytest.raises(ValueError, match="reseeded"):
        drbg.generate(1)
    drbg.reseed(bytes(32))
    assert len(drbg.generate(100)) == 100
