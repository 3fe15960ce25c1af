// SPDX-License-Identifier: Apache-2.0
// HPKE (RFC 9180): base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM, without additional data.
#ifndef HPKE_H
#define HPKE_H

#include "cbor.h"

enum { HPKE_KEY_BYTES = 32 };

// Opens the only message of a context, whose info is the concatenation of `info`, into `plain`. False, and `plain` is zero,
// where it does not open.
bool hpke_open(
    uint8_t *plain, const uint8_t private_key[HPKE_KEY_BYTES], const uint8_t public_key[HPKE_KEY_BYTES],
    const uint8_t encapsulated[HPKE_KEY_BYTES], const struct span *info, size_t info_parts, const uint8_t *sealed, size_t size
);

#endif
