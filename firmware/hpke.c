// SPDX-License-Identifier: Apache-2.0
#include "hpke.h"

#include "bytes.h"
#include "gcm.h"
#include "hkdf.h"
#include "monocypher.h"

// What labels begin with: RFC 9180, 4.1 and 5.1. Numbers of the algorithms: 7.
enum { KEM_ID = 0x20, KDF_ID = 1, AEAD_ID = 2, MOST_PARTS = 6 };
static const uint8_t VERSION[] = {'H', 'P', 'K', 'E', '-', 'v', '1'};
static const uint8_t KEM[] = {'K', 'E', 'M', 0, KEM_ID};
static const uint8_t SUITE[] = {'H', 'P', 'K', 'E', 0, KEM_ID, 0, KDF_ID, 0, AEAD_ID};

#define SPAN(bytes) ((struct span){(const uint8_t *)(bytes), sizeof(bytes)})
#define TEXT(text) ((struct span){(const uint8_t *)(text), sizeof(text) - 1})

static void extract(
    uint8_t key[SHA256_BYTES], const uint8_t *salt, struct span suite, struct span label, const struct span *input, size_t parts
) {
    struct span whole[MOST_PARTS] = {SPAN(VERSION), suite, label};
    for (size_t at = 0; at < parts; at++) {
        whole[3 + at] = input[at];
    }
    hkdf_extract(key, salt, salt ? SHA256_BYTES : 0, whole, 3 + parts);
}

static void expand(
    uint8_t output[SHA256_BYTES], const uint8_t key[SHA256_BYTES], uint8_t size, struct span suite, struct span label,
    struct span context
) {
    const uint8_t length[2] = {0, size};
    const struct span whole[] = {SPAN(length), SPAN(VERSION), suite, label, context};
    hkdf_expand(output, key, whole, sizeof whole / sizeof *whole);
}

// 4.1: what sender and recipient share. False where the sender's key has a small order.
static bool decapsulate(
    uint8_t shared[SHA256_BYTES], const uint8_t *private_key, const uint8_t *public_key, const uint8_t *encapsulated
) {
    static const uint8_t zero[HPKE_KEY_BYTES];
    uint8_t product[HPKE_KEY_BYTES], key[SHA256_BYTES], context[2 * HPKE_KEY_BYTES];
    crypto_x25519(product, private_key, encapsulated);
    memcpy(context, encapsulated, HPKE_KEY_BYTES);
    memcpy(context + HPKE_KEY_BYTES, public_key, HPKE_KEY_BYTES);
    extract(key, NULL, SPAN(KEM), TEXT("eae_prk"), &SPAN(product), 1);
    expand(shared, key, SHA256_BYTES, SPAN(KEM), TEXT("shared_secret"), SPAN(context));
    bool good = !same(product, zero, sizeof product);
    crypto_wipe(product, sizeof product);
    crypto_wipe(key, sizeof key);
    return good;
}

bool hpke_open(
    uint8_t *plain, const uint8_t private_key[HPKE_KEY_BYTES], const uint8_t public_key[HPKE_KEY_BYTES],
    const uint8_t encapsulated[HPKE_KEY_BYTES], const struct span *info, size_t info_parts, const uint8_t *sealed, size_t size
) {
    // 5.1: the mode, base, then hash values of no PSK id and of the info.
    uint8_t context[1 + 2 * SHA256_BYTES] = {0}, shared[SHA256_BYTES], secret[SHA256_BYTES];
    uint8_t key[SHA256_BYTES], nonce[SHA256_BYTES];
    bool good = decapsulate(shared, private_key, public_key, encapsulated);
    extract(context + 1, NULL, SPAN(SUITE), TEXT("psk_id_hash"), NULL, 0);
    extract(context + 1 + SHA256_BYTES, NULL, SPAN(SUITE), TEXT("info_hash"), info, info_parts);
    extract(secret, shared, SPAN(SUITE), TEXT("secret"), NULL, 0);
    expand(key, secret, GCM_KEY_BYTES, SPAN(SUITE), TEXT("key"), SPAN(context));
    expand(nonce, secret, GCM_NONCE_BYTES, SPAN(SUITE), TEXT("base_nonce"), SPAN(context));
    bool opened = gcm_open(plain, key, nonce, sealed, size);
    crypto_wipe(shared, sizeof shared);
    crypto_wipe(secret, sizeof secret);
    crypto_wipe(key, sizeof key);
    crypto_wipe(nonce, sizeof nonce);
    if (!good && opened) {
        crypto_wipe(plain, size - GCM_TAG_BYTES);
    }
    return good && opened;
}
