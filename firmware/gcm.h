// SPDX-License-Identifier: Apache-2.0
// AES-256-GCM (NIST SP 800-38D) with nonces of 12 bytes and without additional data: opening only.
#ifndef GCM_H
#define GCM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GCM_KEY_BYTES = 32, GCM_NONCE_BYTES = 12, GCM_TAG_BYTES = 16 };

// Opens `sealed`, which ends with its tag, into `plain`, which has room for all but the tag. Where the tag is wrong, `plain`
// is zero. The time depends on the size only: the CPU has no cache, so that looking up an S-box takes as long everywhere.
bool gcm_open(
    uint8_t *plain, const uint8_t key[GCM_KEY_BYTES], const uint8_t nonce[GCM_NONCE_BYTES], const uint8_t *sealed, size_t size
);

#endif
