// SPDX-License-Identifier: Apache-2.0
// HKDF with SHA-256 (RFC 5869), of which no more than one block is ever asked for.
#ifndef HKDF_H
#define HKDF_H

#include "cbor.h"
#include "sha256.h"

// Extract: what is in `parts`, with a salt of at most a block.
void hkdf_extract(uint8_t key[SHA256_BYTES], const uint8_t *salt, size_t salt_size, const struct span *parts, size_t count);
// The first block of expand: the concatenation of `parts` is the info.
void hkdf_expand(uint8_t output[SHA256_BYTES], const uint8_t key[SHA256_BYTES], const struct span *parts, size_t count);

#endif
