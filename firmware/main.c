// SPDX-License-Identifier: Apache-2.0
#include "main.h"

#include "bytes.h"
#include "hal.h"
#include "log.h"
#include "requests.h"

static uint8_t request[MAILBOX_BYTES], reply[MAILBOX_BYTES];

void boot(void) {
    feed_watchdog();
    log_begin();
    hal_write(REG_STATE, LIFECYCLE_BLANK);
    log_event(EVENT_BOOT, hal_read(REG_STATE));
}

void answer(size_t size) {
    for (size_t at = 0; at < size; at += 4) {
        hal_write(REG_FIRMWARE_REPLY + at, load_le32(reply + at));
    }
    hal_write(REG_MAILBOX_ANSWER, (uint32_t)size);
}

bool serve(void) {
    feed_watchdog();
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
