// SPDX-License-Identifier: Apache-2.0
// What the datapath is told: channels, and the keys of their associations.
#ifndef SESSIONS_H
#define SESSIONS_H

#include "hal.h"

enum { SCI_BYTES = 8, SALT_BYTES = 12 };

struct channel {
    uint32_t side, number, window;
    uint8_t address[SCI_BYTES], sci[SCI_BYTES];
};

// An association, and what is loaded into it.
struct association {
    uint32_t side, channel, an, suite, ssci, lifetime;
    uint64_t pn;
    uint8_t salt[SALT_BYTES];
};

// Bytes into registers in a row, the first the lowest of the first one.
void datapath_put(uint32_t reg, const uint8_t *data, size_t size);

// Each waits until the datapath has done it; false where it refuses, or takes too long.
bool channel_set(const struct channel *channel);
bool association_load(const struct association *association, const uint8_t key[KEY_BYTES]);
bool association_select(const struct association *association);
bool association_zeroise(const struct association *association);
// Everything is zeroised, and nothing passes until a reset.
void datapath_stop(void);

#endif
