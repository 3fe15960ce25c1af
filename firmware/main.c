// SPDX-License-Identifier: Apache-2.0
#include "main.h"

#include "bytes.h"
#include "device.h"
#include "hal.h"
#include "identity.h"
#include "log.h"
#include "orders.h"
#include "random.h"
#include "requests.h"
#include "selftest.h"
#include "store.h"

static uint8_t request[MAILBOX_BYTES], reply[MAILBOX_BYTES];
// The log has it already.
static bool noise_failed;

void boot(void) {
    uint8_t store_key[KEY_BYTES];
    feed_watchdog();
    noise_failed = false;
    log_begin();
    selftest_begin();
    orders_begin();
    // Where one of these fails nobody knows which state the device is in, and it stays in none.
    if (selftest_need(1 << SELF_TEST_SHA256 | 1 << SELF_TEST_HKDF) != STATUS_OK ||
        selftest_need(1 << SELF_TEST_ROM | 1 << SELF_TEST_FLASH) != STATUS_OK) {
        hal_write(REG_SECRET_LOCK, 1);
        return;
    }
    identity_begin(selftest_measured(), store_key);
    store_begin(store_key);
    crypto_wipe(store_key, sizeof store_key);
    device_begin();
}

// Hands the first bytes of the reply to the host.
static void answer(size_t size) {
    for (size_t at = 0; at < size; at += 4) {
        hal_write(REG_FIRMWARE_REPLY + at, load_le32(reply + at));
    }
    hal_write(REG_MAILBOX_ANSWER, (uint32_t)size);
}

bool serve(void) {
    feed_watchdog();
    if (random_alarm() && !noise_failed) {
        noise_failed = true;
        log_event(EVENT_NOISE_ALARM, 0);
    }
    uint32_t pending = hal_read(REG_MAILBOX_PENDING);
    if (!(pending & REG_MAILBOX_PENDING_PENDING_MASK)) {
        return false;
    }
    size_t size = pending & REG_MAILBOX_PENDING_LENGTH_MASK;
    size = size > MAILBOX_BYTES ? 0 : size;
    for (size_t at = 0; at < size; at += 4) {
        store_le32(request + at, hal_read(REG_FIRMWARE_REQUEST + at));
    }
    answer(requests_serve(request, size, reply));
    device_end();
    return true;
}

#ifndef HOST
int main(void) {
    boot();
    for (;;) {
        serve();
    }
}
#endif
