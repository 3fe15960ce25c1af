// SPDX-License-Identifier: Apache-2.0
#include "device.h"

#include "bytes.h"
#include "identity.h"
#include "log.h"
#include "selftest.h"
#include "store.h"

static struct governors governors;
static uint8_t provisioning[DIGEST_BYTES];
static uint32_t channels;
static bool ending;

void fail(void) {
    hal_write(REG_RAISE, 1);
    for (;;) {
    }
}

uint32_t device_state(void) { return hal_read(REG_STATE); }

static void enter(uint32_t state) {
    hal_write(REG_STATE, state);
    if (device_state() != state) {
        fail();
    }
}

// What is locked is what is kept now.
static void take_governors(void) {
    struct span data;
    if (!store_load(ITEM_GOVERNORS, &data) || !governors_read(&governors, data)) {
        fail();
    }
}

static void operate(void) {
    struct span data;
    if (!store_load(ITEM_POLICY, &data) || !policy_apply(data, true) || !store_load(ITEM_SESSIONS, &data) ||
        !sessions_apply(data, true, &channels)) {
        fail();
    }
}

void device_begin(void) {
    uint32_t state;
    uint8_t kept[DIGEST_BYTES];
    ending = false;
    channels = 0;
    governors.count = 0;
    if (!store_state(&state, provisioning)) {
        fail();
    }
    if (state == LIFECYCLE_PROVISIONED || state == LIFECYCLE_OPERATIONAL) {
        // SEC_CM: STORE.LOCKED
        if (store_provisioning(kept) != STATUS_OK || !same(kept, provisioning, DIGEST_BYTES)) {
            fail();
        }
        take_governors();
    }
    log_event(EVENT_BOOT, state);
    enter(state);
    if (state == LIFECYCLE_OPERATIONAL) {
        operate();
    }
}

void device_provisioning(uint8_t digest[DIGEST_BYTES]) {
    if (device_state() == LIFECYCLE_BLANK) {
        store_provisioning(digest);
    } else {
        memcpy(digest, provisioning, DIGEST_BYTES);
    }
}

const struct governors *device_governors(void) { return &governors; }

bool device_has_channel(uint32_t side, uint32_t channel) { return channels >> (CHANNELS * side + channel) & 1; }

uint32_t device_lock(const uint8_t digest[DIGEST_BYTES]) {
    uint32_t status = store_provisioning(provisioning);
    if (status != STATUS_OK) {
        return status;
    }
    if (!same(digest, provisioning, DIGEST_BYTES)) {
        return STATUS_MISMATCH;
    }
    if (!store_advance(LIFECYCLE_PROVISIONED, provisioning)) {
        return STATUS_STORE_FAILED;
    }
    take_governors();
    enter(LIFECYCLE_PROVISIONED);
    log_event(EVENT_LOCKED, 0);
    return STATUS_OK;
}

uint32_t device_activate(const uint8_t digest[DIGEST_BYTES]) {
    if (!same(digest, provisioning, DIGEST_BYTES)) {
        return STATUS_MISMATCH;
    }
    if (!store_advance(LIFECYCLE_OPERATIONAL, provisioning)) {
        return STATUS_STORE_FAILED;
    }
    enter(LIFECYCLE_OPERATIONAL);
    operate();
    log_event(EVENT_ACTIVATED, 0);
    return STATUS_OK;
}

uint32_t device_brick(void) {
    if (!store_advance(LIFECYCLE_BRICKED, provisioning)) {
        return STATUS_STORE_FAILED;
    }
    identity_forget();
    ending = true;
    return STATUS_OK;
}

void device_end(void) {
    if (ending) {
        enter(LIFECYCLE_BRICKED);
    }
}
