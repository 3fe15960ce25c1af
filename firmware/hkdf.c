// SPDX-License-Identifier: Apache-2.0
#include "hkdf.h"

static void update(const struct span *parts, size_t count) {
    for (size_t at = 0; at < count; at++) {
        sha256_update(parts[at].at, parts[at].size);
    }
}

void hkdf_extract(uint8_t key[SHA256_BYTES], const uint8_t *salt, size_t salt_size, const struct span *parts, size_t count) {
    hmac_begin(salt, salt_size);
    update(parts, count);
    hmac_end(key, salt, salt_size);
}

void hkdf_expand(uint8_t output[SHA256_BYTES], const uint8_t key[SHA256_BYTES], const struct span *parts, size_t count) {
    static const uint8_t first = 1;
    hmac_begin(key, SHA256_BYTES);
    update(parts, count);
    sha256_update(&first, 1);
    hmac_end(output, key, SHA256_BYTES);
}
