// SPDX-License-Identifier: Apache-2.0
// What is provisioned: the forms that the items have.
#ifndef ITEMS_H
#define ITEMS_H

#include "cbor.h"
#include "hal.h"

struct governors {
    uint32_t threshold, count;
    uint8_t keys[MAX_GOVERNORS][KEY_BYTES];
};

// Whether an item has its form.
bool item_is_good(uint32_t item, struct span data);
// False where it has not its form.
bool governors_read(struct governors *governors, struct span data);
// These are false where the item has not its form, or the datapath refuses. With `apply` what they say is written into it,
// and `channels` gets the bit 16 * side + channel of each channel.
bool sessions_apply(struct span data, bool apply, uint32_t *channels);
bool policy_apply(struct span data, bool apply);
// `bits` is how many the weights with this SHA-256 have, 0 where they are not listed or no digest is given. False where the
// item has not its form.
bool whitelist_find(struct span data, const uint8_t *digest, uint64_t *bits);

#endif
