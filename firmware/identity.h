// SPDX-License-Identifier: Apache-2.0
// Who this device is: keys from the device secret, and the key of this boot that session keys are wrapped for.
#ifndef IDENTITY_H
#define IDENTITY_H

#include "cbor.h"
#include "hal.h"

// Reads the device secret, which then reads zero, and makes the identity's seed and the store's key of it. `measured` is the
// SHA-256 of the firmware: with another one the device is another device.
void identity_begin(const uint8_t measured[DIGEST_BYTES], uint8_t store_key[KEY_BYTES]);
// Makes what is made on first use: the public key, and the agreement key. Returns a status.
uint32_t identity_prepare(void);
// Whether these are the keys of this device and boot; false before `identity_prepare`.
bool identity_is(const uint8_t identity_key[KEY_BYTES], const uint8_t agreement_key[KEY_BYTES]);
const uint8_t *identity_key(void);
const uint8_t *agreement_key(void);
void identity_sign(uint8_t signature[SIGNATURE_BYTES], const uint8_t *message, size_t size);
// Opens what is sealed for the agreement key, as `hpke_open` does.
bool identity_open(
    uint8_t *plain, const uint8_t *encapsulated, const struct span *info, size_t parts, const uint8_t *sealed, size_t size
);
// Wipes every secret, until the reset.
void identity_forget(void);

#endif
