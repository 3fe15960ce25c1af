// SPDX-License-Identifier: Apache-2.0
// The firmware's identity, with a way to see whether its secrets are wiped.
#include "identity.c"

void identity_model_secrets(uint8_t output[2 * KEY_BYTES]) {
    memcpy(output, seed, KEY_BYTES);
    memcpy(output + KEY_BYTES, agreement_secret, KEY_BYTES);
}
