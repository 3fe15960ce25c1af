// SPDX-License-Identifier: Apache-2.0
#include "identity.h"

#include "bytes.h"
#include "ed25519.h"
#include "hkdf.h"
#include "hpke.h"
#include "monocypher.h"
#include "random.h"
#include "selftest.h"

#define TEXT(text) ((struct span){(const uint8_t *)(text), sizeof(text) - 1})

static uint8_t seed[KEY_BYTES], public_key[KEY_BYTES], agreement_secret[KEY_BYTES], agreement_public[KEY_BYTES];
static bool prepared;

void identity_begin(const uint8_t measured[DIGEST_BYTES], uint8_t store_key[KEY_BYTES]) {
    uint8_t secret[4 * SECRET_WORDS], compound[SHA256_BYTES];
    for (uint32_t at = 0; at < SECRET_WORDS; at++) {
        store_le32(secret + 4 * at, hal_read(REG_SECRET + 4 * at));
    }
    // SEC_CM: SECRET.LOCKED_BY_BOOT
    hal_write(REG_SECRET_LOCK, 1);
    prepared = false;
    // SEC_CM: SECRET.MEASURED
    hkdf_extract(compound, measured, DIGEST_BYTES, &(struct span){secret, sizeof secret}, 1);
    hkdf_expand(seed, compound, &TEXT("custodes/identity-seed/v1"), 1);
    hkdf_expand(store_key, compound, &TEXT("custodes/store/v1"), 1);
    crypto_wipe(secret, sizeof secret);
    crypto_wipe(compound, sizeof compound);
}

uint32_t identity_prepare(void) {
    if (prepared) {
        return STATUS_OK;
    }
    uint32_t status = selftest_need(1 << SELF_TEST_SHA512 | 1 << SELF_TEST_ED25519_SIGN | 1 << SELF_TEST_X25519 |
                                    1 << SELF_TEST_RANDOM);
    if (status != STATUS_OK) {
        return status;
    }
    if (!random_bytes(agreement_secret, sizeof agreement_secret)) {
        return STATUS_NO_RANDOM;
    }
    crypto_x25519_public_key(agreement_public, agreement_secret);
    feed_watchdog();
    ed25519_public_key(public_key, seed);
    feed_watchdog();
    prepared = true;
    return STATUS_OK;
}

bool identity_is(const uint8_t identity_key[KEY_BYTES], const uint8_t agreement_key[KEY_BYTES]) {
    return prepared && same(identity_key, public_key, KEY_BYTES) && same(agreement_key, agreement_public, KEY_BYTES);
}

const uint8_t *identity_key(void) { return public_key; }

const uint8_t *agreement_key(void) { return agreement_public; }

void identity_sign(uint8_t signature[SIGNATURE_BYTES], const uint8_t *message, size_t size) {
    ed25519_sign(signature, seed, public_key, message, size);
    feed_watchdog();
}

bool identity_open(
    uint8_t *plain, const uint8_t *encapsulated, const struct span *info, size_t parts, const uint8_t *sealed, size_t size
) {
    bool good = hpke_open(plain, agreement_secret, agreement_public, encapsulated, info, parts, sealed, size);
    feed_watchdog();
    return good;
}

void identity_forget(void) {
    crypto_wipe(seed, sizeof seed);
    crypto_wipe(agreement_secret, sizeof agreement_secret);
    prepared = false;
}
