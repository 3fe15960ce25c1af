// SPDX-License-Identifier: Apache-2.0
#include "items.h"

#include "bytes.h"
#include "sessions.h"

// The datapath's registers: word addresses below those of the control. The keys' are not for a policy.
enum { DATAPATH_WORDS = (REG_CONTROL_IDENTITY - MAP_BASE) / 4 };
enum { FIRST_OF_KEYS = (REG_KEY - MAP_BASE) / 4, LAST_OF_KEYS = (REG_WINDOW - MAP_BASE) / 4 };
enum { MAC_BYTES = 6, BITS_PER_BYTE = 8 };

static bool identity_is_good(struct span data) {
    struct reader r = cbor_reader(data.at, data.size);
    cbor_array(&r, 2, 2);
    cbor_text(&r, MAX_ITEM_BYTES);
    cbor_text(&r, MAX_ITEM_BYTES);
    return cbor_whole(&r);
}

bool governors_read(struct governors *governors, struct span data) {
    struct reader r = cbor_reader(data.at, data.size);
    cbor_array(&r, 2, 2);
    governors->threshold = (uint32_t)cbor_uint(&r, MAX_GOVERNORS);
    governors->count = (uint32_t)cbor_array(&r, 1, MAX_GOVERNORS);
    for (uint32_t at = 0; at < governors->count; at++) {
        struct span key = cbor_bytes(&r, KEY_BYTES, KEY_BYTES);
        if (r.bad) {
            return false;
        }
        memcpy(governors->keys[at], key.at, KEY_BYTES);
        // A key that is there twice would sign for two.
        for (uint32_t other = 0; other < at; other++) {
            if (same(governors->keys[other], key.at, KEY_BYTES)) {
                return false;
            }
        }
    }
    return cbor_whole(&r) && governors->threshold && governors->threshold <= governors->count;
}

bool whitelist_find(struct span data, const uint8_t *digest, uint64_t *bits) {
    struct reader r = cbor_reader(data.at, data.size);
    *bits = 0;
    for (size_t left = cbor_array(&r, 0, MAX_ITEM_BYTES); left && !r.bad; left--) {
        cbor_array(&r, 3, 3);
        cbor_text(&r, MAX_ITEM_BYTES);
        uint64_t size = cbor_uint(&r, UINT64_MAX / BITS_PER_BYTE);
        struct span listed = cbor_bytes(&r, DIGEST_BYTES, DIGEST_BYTES);
        if (digest && !r.bad && same(listed.at, digest, DIGEST_BYTES)) {
            *bits = size * BITS_PER_BYTE;
        }
    }
    return cbor_whole(&r);
}

bool policy_apply(struct span data, bool apply) {
    struct reader r = cbor_reader(data.at, data.size);
    cbor_array(&r, 2, 2);
    cbor_bytes(&r, DIGEST_BYTES, DIGEST_BYTES);
    for (size_t left = cbor_array(&r, 0, MAX_ITEM_BYTES); left && !r.bad; left--) {
        cbor_array(&r, 2, 2);
        uint32_t word = (uint32_t)cbor_uint(&r, DATAPATH_WORDS - 1);
        uint32_t value = (uint32_t)cbor_uint(&r, UINT32_MAX);
        r.bad |= word - FIRST_OF_KEYS <= LAST_OF_KEYS - FIRST_OF_KEYS;
        if (apply && !r.bad) {
            hal_write(MAP_BASE + 4 * word, value);
        }
    }
    return cbor_whole(&r);
}

bool sessions_apply(struct span data, bool apply, uint32_t *channels) {
    struct reader r = cbor_reader(data.at, data.size);
    *channels = 0;
    for (size_t left = cbor_array(&r, 0, 2 * CHANNELS); left && !r.bad; left--) {
        struct channel channel;
        cbor_array(&r, 5, 5);
        channel.side = (uint32_t)cbor_uint(&r, SIDE_NETWORK);
        channel.number = (uint32_t)cbor_uint(&r, CHANNELS - 1);
        size_t size = channel.side == SIDE_NETWORK ? SCI_BYTES : MAC_BYTES;
        struct span address = cbor_bytes(&r, size, size), sci = cbor_bytes(&r, SCI_BYTES, SCI_BYTES);
        channel.window = (uint32_t)cbor_uint(&r, MAX_WINDOW);
        uint32_t bit = 1u << (CHANNELS * channel.side + channel.number);
        r.bad |= *channels & bit;
        if (r.bad) {
            return false;
        }
        *channels |= bit;
        memset(channel.address, 0, SCI_BYTES);
        memcpy(channel.address, address.at, size);
        memcpy(channel.sci, sci.at, SCI_BYTES);
        if (apply && !channel_set(&channel)) {
            return false;
        }
    }
    return cbor_whole(&r);
}

bool item_is_good(uint32_t item, struct span data) {
    struct governors governors;
    uint32_t channels;
    uint64_t bits;
    switch (item) {
    case ITEM_IDENTITY:
        return identity_is_good(data);
    case ITEM_GOVERNORS:
        return governors_read(&governors, data);
    case ITEM_WHITELIST:
        return whitelist_find(data, NULL, &bits);
    case ITEM_POLICY:
        return policy_apply(data, false);
    case ITEM_SESSIONS:
        return sessions_apply(data, false, &channels);
    default:
        return false;
    }
}
