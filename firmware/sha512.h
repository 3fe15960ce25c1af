// SPDX-License-Identifier: Apache-2.0
// SHA-512 (FIPS 180-4), for Ed25519.
#ifndef SHA512_H
#define SHA512_H

#include <stddef.h>
#include <stdint.h>

enum { SHA512_BYTES = 64, SHA512_BLOCK = 128 };

struct sha512 {
    uint64_t state[8];
    uint8_t block[SHA512_BLOCK];
    uint32_t length;
};

void sha512_begin(struct sha512 *hash);
void sha512_update(struct sha512 *hash, const void *data, size_t size);
// Gives the hash value, and wipes `hash`.
void sha512_end(struct sha512 *hash, uint8_t digest[SHA512_BYTES]);

#endif
