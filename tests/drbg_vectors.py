# SPDX-License-Identifier: Apache-2.0
"""Known answers of Hash_DRBG with SHA-256: the first vector of each group of NIST's Cryptographic Algorithm Validation
Program (CAVS 14.3, drbgtestvectors, ``Hash_DRBG.rsp``) without prediction resistance.

After instantiation, and a new seed if there is one, 128 bytes are made twice; the second time they are these.
"""

from __future__ import annotations

from typing import NamedTuple

REQUEST_BYTES = 128


class Vector(NamedTuple):
    """Hexadecimal, as in the files; ``reseed`` is empty in ``drbgvectors_no_reseed``."""

    entropy: str
    nonce: str
    returned: str
    personalization: str = ""
    reseed: str = ""
    additional_reseed: str = ""
    additional: tuple[str, str] = ("", "")


VECTORS = [
    Vector(
        entropy="a65ad0f345db4e0effe875c3a2e71f42c7129d620ff5c119a9ef55f05185e0fb",
        nonce="8581f9317517276e06e9607ddbcbcc2e",
        returned=(
            "d3e160c35b99f340b2628264d1751060e0045da383ff57a57d73a673d2b8d80d"
            "aaf6a6c35a91bb4579d73fd0c8fed111b0391306828adfed528f018121b3febd"
            "c343e797b87dbb63db1333ded9d1ece177cfa6b71fe8ab1da46624ed6415e51c"
            "cde2c7ca86e283990eeaeb91120415528b2295910281b02dd431f4c9f70427df"
        ),
    ),
    Vector(
        entropy="9b6d88373841458da926cc51f83922d363f0f80f90a2f5505c04033824ef7385",
        nonce="82b21ff47bb5e1b33288b22f3856886b",
        returned=(
            "3d23d0fc03936766a1e1330393e8ff6211149f3d0758db038da1c833ca8e5265"
            "c2a9ff6c8e0836904c5fcd3e61b1c77d613dc6bdaf6437573a618e3e75e45533"
            "8a7f9a41300da8fd2da408cf095ff7eae1686d60ce9c2f547d0515da91600201"
            "c8374b7af8a5f49a6381aaca394c65d451341a0ae1546cd57e0d9167a6b5397d"
        ),
        additional=(
            "45d21d94ae1ea460857b50b5b240d943d42160e4c12377e0f817b79e92530bc1",
            "ea432e31cc94c20d66fb13d1ef42a5f62b024134fc635aa1279a6179204731ca",
        ),
    ),
    Vector(
        entropy="dfeabab904bfe93a37bb5b1ea4a696f881ab5ab4be87ffbf2d4e8cdfaabb37fd",
        nonce="a2d458b475053a0346b57fc518849ba1",
        returned=(
            "86d8c63ed4a8a19f3429b4dd57ede5ca573e861712e631400645ceee763c37cf"
            "950bdcc4d9c886ead3f0f1bf46a63bf22bd2eb39b2dac61d2e8c8f29e26045b3"
            "db56b2265adc8152d4f736c09ee90364a1e265eb5e77b0c5988c8fa52717fd33"
            "b6da760e78f2a7c27065227c47ac2134b95b7dadbf96e4ea2dad78ef200e174b"
        ),
        personalization="d15d5d9a4a3a41877b4ea98dbda5079ee393f6ab24105dbd70f5bf145772b15c",
    ),
    Vector(
        entropy="68c43a008fe46a823d260a9d7fa388fb9e401f0197e7e758a744b4babb3f4651",
        nonce="eb6825777856331884aaf3751b3e4006",
        returned=(
            "abb4ecbacd4e8fa943c7221aed433861c3b203232657ec4c417d021f905d911d"
            "b1058ff1e11e272232482ec96bae7cb4efc135502dbe41724077077f6de79b71"
            "3670c385d04644e1281c3e582e0016255abbe5f8c06d0de57160559f0c08f7fb"
            "5be3563c649966190f8d3261364447537de2c7371c6e8c308933d27145bf90ab"
        ),
        personalization="23ce0d32cbf2d26467f0d62acff1a3acbaa6d2746dc3ee7aa9d32c880788afc8",
        additional=(
            "a31b9f13b58d4fa2f8d8ac42b62a207ff647339a146bd8b268b33d4aff57adbd",
            "d34fc6504eca4b568193c75357b0d3821a48c77ff80d6dbd21c6cf045ff489cf",
        ),
    ),
    Vector(
        entropy="63363377e41e86468deb0ab4a8ed683f6a134e47e014c700454e81e95358a569",
        nonce="808aa38f2a72a62359915a9f8a04ca68",
        returned=(
            "04eec63bb231df2c630a1afbe724949d005a587851e1aa795e477347c8b05662"
            "1c18bddcdd8d99fc5fc2b92053d8cfacfb0bb8831205fad1ddd6c071318a6018"
            "f03b73f5ede4d4d071f9de03fd7aea105d9299b8af99aa075bdb4db9aa28c18d"
            "174b56ee2a014d098896ff2282c955a81969e069fa8ce007a180183a07dfae17"
        ),
        reseed="e62b8a8ee8f141b6980566e3bfe3c04903dad4ac2cdf9f2280010a6739bc83d3",
    ),
    Vector(
        entropy="9cfb7ad03be487a3b42be06e9ae44f283c2b1458cec801da2ae6532fcb56cc4c",
        nonce="a20765538e8db31295747ec922c13a69",
        returned=(
            "71c1154a2a7a3552413970bf698aa02f14f8ea95e861f801f463be27868b1b14"
            "b1b4babd9eba5915a6414ab1104c8979b1918f3094925aeab0d07d2037e613b6"
            "3cbd4f79d9f95c84b47ed9b77230a57515c211f48f4af6f5edb2c308b33905db"
            "308cf88f552c8912c49b34e66c026e67b302ca65b187928a1aba9a49edbfe190"
        ),
        reseed="96bc8014f90ebdf690db0e171b59cc46c75e2e9b8e1dc699c65c03ceb2f4d7dc",
        additional_reseed="6fea0894052dab3c44d503950c7c72bd7b87de87cb81d3bb51c32a62f742286d",
        additional=(
            "d3467c78563b74c13db7af36c2a964820f2a9b1b167474906508fdac9b2049a6",
            "5840a11cc9ebf77b963854726a826370ffdb2fc2b3d8479e1df5dcfa3dddd10b",
        ),
    ),
    Vector(
        entropy="b87bb4de5c148d964fc0cb612d69295671780b4270fe32bf389b6f49488efe13",
        nonce="27eb37a0c695c4ee3c9b70b7f6b33492",
        returned=(
            "de01c061651bab3cef2fc4ea89a56b6e86e74b2e9fd11ed671c97c813778a06a"
            "2c1f41b41e754a5257750c6bde9601da9d67d8d9564f4a8538b92516a2dacc49"
            "6dee257b85393f2a01ad59aa3257f1b6da9566e3706d2d6d4a26e511b0c64d7d"
            "c223acb24827178afa43ca8d5a66f983d6929dc61564c4c14fc32d85765a23f7"
        ),
        personalization="52321406ac8a9c266b1f8d811bb871269e5824b59a0234f01d358193523bbb7c",
        reseed="7638267f534c4e6ee22cc6ca6ed824fd5d3d387c00b89dd791eb5ac9766385b8",
    ),
    Vector(
        entropy="6c623aea73bc8a59e28c6cd9c7c7ec8ca2e75190bd5dcae5978cf0c199c23f4f",
        nonce="e55db067a0ed537e66886b7cda02f772",
        returned=(
            "6e98a3b1f686f6ffa79355c9d8a5ab7f93312159d52659a2298315f10007c71a"
            "dabc0b5ccb4164c0949fbdb221b43acdb62bed3099596f2d7bd5d0048173dd23"
            "60a543b234ab61a441ddb9299af84ca45c6e618fd521366dbf509d4ec06174da"
            "924361d642b107e5564ac1b32340dd2f3158bf4c00bcb4dcf12c6d67af4b74ee"
        ),
        personalization="1e59d798810083d1ff848e90b25c9927e3dfb55a0888b0339566a9f9ca7542dc",
        reseed="9ab40164744c7d00c78b4196f6f917ec33d70030a0812cd4606c5a25387568a9",
        additional_reseed="4e8bead7cbba7a7bc9ae1e1617222c4139661347599950e7225d1e2faa5d57f5",
        additional=(
            "dcb22a5d9f149858636f3ede2253e419816fb7b1103194451ed6a573a8fe6271",
            "8f9d5c78cdabc32e71ac3b3c49239caddf96053250f4fd92056efbd0be487d36",
        ),
    ),
]
