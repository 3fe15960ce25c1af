// SPDX-License-Identifier: Apache-2.0
#include "sha256.h"

#include "bytes.h"
#include "hal.h"

enum { INNER = 0x36, OUTER = 0x5C };

// Bytes so far, of which the last that make no word.
static uint32_t length, word;

static void settle(void) {
    while (hal_read(REG_SHA_STATUS) & REG_SHA_STATUS_BUSY_MASK) {
    }
}

void sha256_begin(void) {
    settle();
    hal_write(REG_SHA_COMMAND, REG_SHA_COMMAND_FIRST_MASK);
    length = 0;
    word = 0;
}

static void take(uint8_t byte) {
    word = word << 8 | byte;
    if ((++length & 3) == 0) {
        hal_write(REG_SHA_WORD, word);
    }
}

void sha256_update(const void *data, size_t size) {
    const uint8_t *at = data, *end = at + size;
    while (at < end && length & 3) {
        take(*at++);
    }
    for (; end - at >= 4; at += 4, length += 4) {
        hal_write(REG_SHA_WORD, load_be32(at));
    }
    while (at < end) {
        take(*at++);
    }
}

void sha256_end(uint8_t digest[SHA256_BYTES]) {
    uint32_t bytes = length;
    take(0x80);
    while ((length & (SHA256_BLOCK - 1)) != SHA256_BLOCK - 8) {
        take(0);
    }
    hal_write(REG_SHA_WORD, bytes >> 29);
    hal_write(REG_SHA_WORD, bytes << 3);
    settle();
    for (uint32_t at = 0; at < SHA256_BYTES / 4; at++) {
        store_be32(digest + 4 * at, hal_read(REG_SHA_STATE + 4 * at));
    }
    hal_write(REG_SHA_COMMAND, REG_SHA_COMMAND_CLEAR_MASK);
    word = 0;
}

void sha256(uint8_t digest[SHA256_BYTES], const void *data, size_t size) {
    sha256_begin();
    sha256_update(data, size);
    sha256_end(digest);
}

static void pad(const uint8_t *key, size_t size, uint8_t mask) {
    sha256_begin();
    for (size_t at = 0; at < SHA256_BLOCK; at++) {
        take((at < size ? key[at] : 0) ^ mask);
    }
}

void hmac_begin(const uint8_t *key, size_t size) { pad(key, size, INNER); }

void hmac_end(uint8_t tag[SHA256_BYTES], const uint8_t *key, size_t size) {
    sha256_end(tag);
    pad(key, size, OUTER);
    sha256_update(tag, SHA256_BYTES);
    sha256_end(tag);
}
