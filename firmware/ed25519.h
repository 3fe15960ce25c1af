// SPDX-License-Identifier: Apache-2.0
// Ed25519 (RFC 8032, 5.1), on the curve of monocypher.
#ifndef ED25519_H
#define ED25519_H

#include "cbor.h"

enum { ED25519_KEY_BYTES = 32, ED25519_SIGNATURE_BYTES = 64 };

void ed25519_public_key(uint8_t public_key[ED25519_KEY_BYTES], const uint8_t seed[ED25519_KEY_BYTES]);
void ed25519_sign(
    uint8_t signature[ED25519_SIGNATURE_BYTES], const uint8_t seed[ED25519_KEY_BYTES],
    const uint8_t public_key[ED25519_KEY_BYTES], const uint8_t *message, size_t size
);
// Of the concatenation of `parts`.
bool ed25519_verify(
    const uint8_t signature[ED25519_SIGNATURE_BYTES], const uint8_t public_key[ED25519_KEY_BYTES], const struct span *parts,
    size_t count
);

#endif
