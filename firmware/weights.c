// SPDX-License-Identifier: Apache-2.0
#include "weights.h"

#include "device.h"
#include "log.h"
#include "sessions.h"
#include "store.h"

uint32_t weights_serve(struct reader *arguments) {
    struct span digest = cbor_bytes(arguments, DIGEST_BYTES, DIGEST_BYTES), whitelist;
    uint64_t bits;
    if (!cbor_whole(arguments)) {
        return STATUS_MALFORMED;
    }
    if (!(hal_read(REG_FEATURES) & REG_FEATURES_UPLOAD_MASK)) {
        return STATUS_UNKNOWN;
    }
    if (device_state() != LIFECYCLE_OPERATIONAL) {
        return STATUS_FORBIDDEN;
    }
    // SEC_CM: WEIGHTS.WHITELISTED
    if (!store_load(ITEM_WHITELIST, &whitelist) || !whitelist_find(whitelist, digest.at, &bits)) {
        fail();
    }
    if (!bits) {
        return STATUS_ABSENT;
    }
    if ((hal_read(REG_UPLOAD_STATE) & REG_UPLOAD_STATE_MODE_MASK) != MODE_OFF) {
        return STATUS_REFUSED;
    }
    hal_write(REG_UPLOAD_BITS, (uint32_t)bits);
    hal_write(REG_UPLOAD_BITS + 4, (uint32_t)(bits >> 32));
    datapath_put(REG_UPLOAD_DIGEST, digest.at, DIGEST_BYTES);
    log_event(EVENT_ANNOUNCED, hal_read(REG_UPLOAD_DIGEST));
    return STATUS_OK;
}
