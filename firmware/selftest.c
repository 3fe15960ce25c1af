// SPDX-License-Identifier: Apache-2.0
#include "selftest.h"

#include "bytes.h"
#include "ed25519.h"
#include "flash.h"
#include "gcm.h"
#include "hkdf.h"
#include "hpke.h"
#include "identity.h"
#include "log.h"
#include "monocypher.h"
#include "random.h"
#include "sessions.h"
#include "sha512.h"
#include "vectors.h"

static uint32_t passed, failed;
static uint8_t measured[SHA256_BYTES];

// What a test finds.
enum verdict { BAD, GOOD, NO_RANDOM };

// The bytes of a known answer's question, the first of which `spoil`, 0 or 1, changes.
#define QUESTION(name, of)      \
    uint8_t name[sizeof(of)];   \
    memcpy(name, of, sizeof of); \
    name[0] ^= spoil

static bool rom(uint8_t spoil) {
    uint8_t first[4], wanted[SHA256_BYTES];
    memcpy(first, rom_begin, sizeof first);
    first[0] ^= spoil;
    sha256_begin();
    sha256_update(first, sizeof first);
    sha256_update(rom_begin + sizeof first, (size_t)(rom_end - rom_begin) - sizeof first);
    sha256_end(measured);
    for (uint32_t at = 0; at < SHA256_BYTES; at += 4) {
        store_le32(wanted + at, hal_read(REG_ROM_DIGEST + at));
    }
    return same(measured, wanted, sizeof wanted);
}

static bool hash256(uint8_t spoil) {
    QUESTION(message, HASHED);
    uint8_t digest[SHA256_BYTES];
    sha256(digest, message, sizeof message);
    return same(digest, HASHED_SHA256, sizeof digest);
}

static bool hash512(uint8_t spoil) {
    QUESTION(message, HASHED);
    struct sha512 hash;
    uint8_t digest[SHA512_BYTES];
    sha512_begin(&hash);
    sha512_update(&hash, message, sizeof message);
    sha512_end(&hash, digest);
    return same(digest, HASHED_SHA512, sizeof digest);
}

static bool hkdf(uint8_t spoil) {
    QUESTION(secret, HKDF_SECRET);
    const struct span input = {secret, sizeof secret}, info = {HKDF_INFO, sizeof HKDF_INFO};
    uint8_t key[SHA256_BYTES], output[SHA256_BYTES];
    hkdf_extract(key, HKDF_SALT, sizeof HKDF_SALT, &input, 1);
    hkdf_expand(output, key, &info, 1);
    return same(output, HKDF_OUTPUT, sizeof output);
}

static bool gcm(uint8_t spoil) {
    QUESTION(sealed, GCM_SEALED);
    uint8_t plain[sizeof sealed - GCM_TAG_BYTES];
    return gcm_open(plain, GCM_KEY, GCM_NONCE, sealed, sizeof sealed) && same(plain, GCM_PLAIN, sizeof plain);
}

static bool x25519(uint8_t spoil) {
    QUESTION(point, X25519_POINT);
    uint8_t product[HPKE_KEY_BYTES];
    crypto_x25519(product, X25519_SCALAR, point);
    return same(product, X25519_PRODUCT, sizeof product);
}

static bool sign(uint8_t spoil) {
    QUESTION(message, SIGNED);
    uint8_t key[ED25519_KEY_BYTES], signature[ED25519_SIGNATURE_BYTES];
    ed25519_public_key(key, ED25519_SEED);
    feed_watchdog();
    ed25519_sign(signature, ED25519_SEED, key, message, sizeof message);
    return same(key, ED25519_KEY, sizeof key) && same(signature, ED25519_SIGNATURE, sizeof signature);
}

static bool verify(uint8_t spoil) {
    QUESTION(message, SIGNED);
    const struct span whole = {message, sizeof message};
    return ed25519_verify(ED25519_SIGNATURE, ED25519_KEY, &whole, 1);
}

static bool hpke(uint8_t spoil) {
    QUESTION(sealed, HPKE_SEALED);
    const struct span info = {HPKE_INFO, sizeof HPKE_INFO};
    uint8_t plain[sizeof sealed - GCM_TAG_BYTES];
    return hpke_open(plain, HPKE_PRIVATE, HPKE_PUBLIC, HPKE_ENCAPSULATED, &info, 1, sealed, sizeof sealed) &&
           same(plain, HPKE_PLAIN, sizeof plain);
}

static enum verdict drawn(uint8_t spoil) {
    uint8_t first[KEY_BYTES], second[KEY_BYTES];
    if (!random_bytes(first, sizeof first) || !random_bytes(second, sizeof second)) {
        return NO_RANDOM;
    }
    bool good = !same(first, spoil ? first : second, sizeof first);
    crypto_wipe(first, sizeof first);
    crypto_wipe(second, sizeof second);
    return good ? GOOD : BAD;
}

static enum verdict run(uint32_t test, uint8_t spoil) {
    switch (test) {
    case SELF_TEST_ROM:
        return rom(spoil) ? GOOD : BAD;
    case SELF_TEST_SHA256:
        return hash256(spoil) ? GOOD : BAD;
    case SELF_TEST_SHA512:
        return hash512(spoil) ? GOOD : BAD;
    case SELF_TEST_HKDF:
        return hkdf(spoil) ? GOOD : BAD;
    case SELF_TEST_AES_GCM:
        return gcm(spoil) ? GOOD : BAD;
    case SELF_TEST_X25519:
        return x25519(spoil) ? GOOD : BAD;
    case SELF_TEST_ED25519_SIGN:
        return sign(spoil) ? GOOD : BAD;
    case SELF_TEST_ED25519_VERIFY:
        return verify(spoil) ? GOOD : BAD;
    case SELF_TEST_HPKE:
        return hpke(spoil) ? GOOD : BAD;
    case SELF_TEST_RANDOM:
        return drawn(spoil);
    case SELF_TEST_FLASH:
        return flash_begin(spoil) ? GOOD : BAD;
    default:
        return BAD;
    }
}

void selftest_begin(void) {
    passed = 0;
    failed = 0;
}

uint32_t selftest_run(uint32_t tests, uint32_t spoiled) {
    for (uint32_t test = 0; test <= SELF_TEST_FLASH && !failed; test++) {
        uint32_t bit = 1u << test;
        if (!(tests & bit)) {
            continue;
        }
        enum verdict verdict = run(test, spoiled >> test & 1);
        feed_watchdog();
        if (verdict == NO_RANDOM) {
            return STATUS_NO_RANDOM;
        }
        if (verdict == GOOD) {
            passed |= bit;
        } else {
            passed &= ~bit;
            failed |= bit;
            // SEC_CM: SELFTEST.FORGETS
            identity_forget();
            datapath_stop();
            log_event(EVENT_TEST_FAILED, test);
        }
    }
    return failed ? STATUS_ERROR_STATE : STATUS_OK;
}

// SEC_CM: SELFTEST.ERROR_STATE
uint32_t selftest_need(uint32_t tests) { return failed ? STATUS_ERROR_STATE : selftest_run(tests & ~passed, 0); }

uint32_t selftest_passed(void) { return passed; }

uint32_t selftest_failed(void) { return failed; }

const uint8_t *selftest_measured(void) { return measured; }
