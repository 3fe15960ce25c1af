// SPDX-License-Identifier: Apache-2.0
// SHA-256 (FIPS 180-4) and HMAC (FIPS 198-1) with the engine, which has one message at a time.
#ifndef SHA256_H
#define SHA256_H

#include <stddef.h>
#include <stdint.h>

enum { SHA256_BYTES = 32, SHA256_BLOCK = 64 };

void sha256_begin(void);
void sha256_update(const void *data, size_t size);
// Gives the hash value; the engine forgets everything.
void sha256_end(uint8_t digest[SHA256_BYTES]);
void sha256(uint8_t digest[SHA256_BYTES], const void *data, size_t size);

// A key of at most a block.
void hmac_begin(const uint8_t *key, size_t size);
// Between these: sha256_update. The same key again.
void hmac_end(uint8_t tag[SHA256_BYTES], const uint8_t *key, size_t size);

#endif
