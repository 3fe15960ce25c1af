// SPDX-License-Identifier: Apache-2.0
#include "ed25519.h"

#include "bytes.h"
#include "monocypher.h"
#include "sha512.h"

// 5.1.5: the secret scalar, and the prefix that makes nonces.
static void expand(uint8_t scalar[32], uint8_t prefix[32], const uint8_t *seed) {
    struct sha512 hash;
    uint8_t digest[SHA512_BYTES];
    sha512_begin(&hash);
    sha512_update(&hash, seed, ED25519_KEY_BYTES);
    sha512_end(&hash, digest);
    crypto_eddsa_trim_scalar(scalar, digest);
    memcpy(prefix, digest + 32, 32);
    crypto_wipe(digest, sizeof digest);
}

// The hash value of a point, a key and a message, or of what stands before a message, as a scalar.
static void challenge(uint8_t scalar[32], const uint8_t *first, const uint8_t *key, const struct span *parts, size_t count) {
    struct sha512 hash;
    uint8_t digest[SHA512_BYTES];
    sha512_begin(&hash);
    sha512_update(&hash, first, 32);
    if (key) {
        sha512_update(&hash, key, ED25519_KEY_BYTES);
    }
    for (size_t at = 0; at < count; at++) {
        sha512_update(&hash, parts[at].at, parts[at].size);
    }
    sha512_end(&hash, digest);
    crypto_eddsa_reduce(scalar, digest);
    crypto_wipe(digest, sizeof digest);
}

void ed25519_public_key(uint8_t public_key[ED25519_KEY_BYTES], const uint8_t seed[ED25519_KEY_BYTES]) {
    uint8_t scalar[32], prefix[32];
    expand(scalar, prefix, seed);
    crypto_eddsa_scalarbase(public_key, scalar);
    crypto_wipe(scalar, sizeof scalar);
    crypto_wipe(prefix, sizeof prefix);
}

void ed25519_sign(
    uint8_t signature[ED25519_SIGNATURE_BYTES], const uint8_t seed[ED25519_KEY_BYTES],
    const uint8_t public_key[ED25519_KEY_BYTES], const uint8_t *message, size_t size
) {
    const struct span whole = {message, size};
    uint8_t scalar[32], prefix[32], nonce[32], hash[32];
    expand(scalar, prefix, seed);
    challenge(nonce, prefix, NULL, &whole, 1);
    crypto_eddsa_scalarbase(signature, nonce);
    challenge(hash, signature, public_key, &whole, 1);
    crypto_eddsa_mul_add(signature + 32, hash, scalar, nonce);
    crypto_wipe(scalar, sizeof scalar);
    crypto_wipe(prefix, sizeof prefix);
    crypto_wipe(nonce, sizeof nonce);
}

bool ed25519_verify(
    const uint8_t signature[ED25519_SIGNATURE_BYTES], const uint8_t public_key[ED25519_KEY_BYTES], const struct span *parts,
    size_t count
) {
    uint8_t hash[32];
    challenge(hash, signature, public_key, parts, count);
    return crypto_eddsa_check_equation(signature, public_key, hash) == 0;
}
