// SPDX-License-Identifier: Apache-2.0
#include "gcm.h"

#include "aes.h"
#include "bytes.h"

enum { BLOCK = 16 };

// x = x * h in GF(2^128), the first bit of the first byte being the coefficient of 1: 6.3. Masks instead of branches.
static void multiply(uint8_t x[BLOCK], const uint8_t h[BLOCK]) {
    uint32_t product[4] = {0}, power[4];
    for (uint32_t at = 0; at < 4; at++) {
        power[at] = load_be32(h + 4 * at);
    }
    for (uint32_t bit = 0; bit < 128; bit++) {
        uint32_t taken = -(uint32_t)(x[bit / 8] >> (7 - bit % 8) & 1);
        for (uint32_t at = 0; at < 4; at++) {
            product[at] ^= power[at] & taken;
        }
        uint32_t carry = -(power[3] & 1) & 0xE1000000u;
        for (uint32_t at = 3; at; at--) {
            power[at] = power[at] >> 1 | power[at - 1] << 31;
        }
        power[0] = power[0] >> 1 ^ carry;
    }
    for (uint32_t at = 0; at < 4; at++) {
        store_be32(x + 4 * at, product[at]);
    }
    crypto_wipe(product, sizeof product);
    crypto_wipe(power, sizeof power);
}

static void hash(uint8_t state[BLOCK], const uint8_t h[BLOCK], const uint8_t *data, size_t size) {
    for (size_t at = 0; at < size; at++) {
        state[at % BLOCK] ^= data[at];
        if (at % BLOCK == BLOCK - 1 || at == size - 1) {
            multiply(state, h);
        }
    }
}

// The block of key stream that belongs to a counter.
static void stream(const struct AES_ctx *aes, uint8_t block[BLOCK], const uint8_t *nonce, uint32_t counter) {
    memcpy(block, nonce, GCM_NONCE_BYTES);
    store_be32(block + GCM_NONCE_BYTES, counter);
    AES_ECB_encrypt(aes, block);
}

bool gcm_open(
    uint8_t *plain, const uint8_t key[GCM_KEY_BYTES], const uint8_t nonce[GCM_NONCE_BYTES], const uint8_t *sealed, size_t size
) {
    if (size < GCM_TAG_BYTES) {
        return false;
    }
    size -= GCM_TAG_BYTES;
    struct AES_ctx aes;
    uint8_t h[BLOCK] = {0}, state[BLOCK] = {0}, lengths[BLOCK] = {0}, block[BLOCK];
    AES_init_ctx(&aes, key);
    AES_ECB_encrypt(&aes, h);
    hash(state, h, sealed, size);
    store_be64(lengths + 8, (uint64_t)size << 3);
    hash(state, h, lengths, BLOCK);
    stream(&aes, block, nonce, 1);
    for (uint32_t at = 0; at < BLOCK; at++) {
        state[at] ^= block[at];
    }
    bool good = same(state, sealed + size, GCM_TAG_BYTES);
    for (size_t at = 0; at < size; at++) {
        if (at % BLOCK == 0) {
            stream(&aes, block, nonce, (uint32_t)(at / BLOCK) + 2);
        }
        plain[at] = good ? sealed[at] ^ block[at % BLOCK] : 0;
    }
    crypto_wipe(&aes, sizeof aes);
    crypto_wipe(h, sizeof h);
    crypto_wipe(block, sizeof block);
    crypto_wipe(state, sizeof state);
    return good;
}
