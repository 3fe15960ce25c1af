// SPDX-License-Identifier: Apache-2.0
#include "random.h"

#include "bytes.h"
#include "hal.h"

// Looks for a word; the start-up test of the noise source takes far less.
enum { PATIENCE = 1 << 20 };

bool random_alarm(void) { return hal_read(REG_RANDOM_STATUS) & REG_RANDOM_STATUS_ALARM_MASK; }

static bool word(uint8_t *output) {
    for (uint32_t look = 0; look < PATIENCE; look++) {
        uint32_t status = hal_read(REG_RANDOM_STATUS);
        if (status & REG_RANDOM_STATUS_ALARM_MASK) {
            return false;
        }
        if (status & REG_RANDOM_STATUS_VALID_MASK) {
            store_le32(output, hal_read(REG_RANDOM));
            return true;
        }
    }
    return false;
}

bool random_bytes(uint8_t *output, size_t size) {
    for (size_t at = 0; at < size; at += 4) {
        if (!word(output + at)) {
            crypto_wipe(output, size);
            return false;
        }
    }
    return true;
}
