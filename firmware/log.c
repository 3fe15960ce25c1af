// SPDX-License-Identifier: Apache-2.0
#include "log.h"

#include "hal.h"

// In a reply, each up to 24 bytes long.
enum { MOST_ENTRIES = 32 };

struct entry {
    uint64_t milliseconds;
    uint32_t detail;
    uint32_t event;
};

static struct entry entries[LOG_ENTRIES];
// Events ever.
static uint32_t count;

void log_begin(void) { count = 0; }

// The CPU does not divide. `by` is less than 2^31; by 0 gives the highest number.
static uint64_t divide(uint64_t value, uint32_t by) {
    uint64_t quotient = 0;
    uint32_t rest = 0;
    for (uint32_t bit = 0; bit < 64; bit++) {
        rest = rest << 1 | (uint32_t)(value >> 63);
        value <<= 1;
        quotient <<= 1;
        if (rest >= by) {
            rest -= by;
            quotient |= 1;
        }
    }
    return quotient;
}

static uint64_t milliseconds(void) {
    uint32_t low = hal_read(REG_TIME), high = hal_read(REG_TIME + 4);
    return divide(((uint64_t)high << 32 | low) * 1000, hal_read(REG_CLOCK_HZ));
}

void log_event(uint32_t event, uint32_t detail) {
    entries[count % LOG_ENTRIES] = (struct entry){milliseconds(), detail, event};
    count++;
}

void log_write(struct writer *w, uint64_t first) {
    uint32_t oldest = count > LOG_ENTRIES ? count - LOG_ENTRIES : 0;
    uint32_t from = first >= count ? count : first < oldest ? oldest : (uint32_t)first;
    uint32_t after = count - from > MOST_ENTRIES ? from + MOST_ENTRIES : count;
    cbor_put_uint(w, after);
    cbor_put_array(w, after - from);
    for (uint32_t number = from; number < after; number++) {
        const struct entry *entry = &entries[number % LOG_ENTRIES];
        cbor_put_array(w, 4);
        cbor_put_uint(w, number);
        cbor_put_uint(w, entry->milliseconds);
        cbor_put_uint(w, entry->event);
        cbor_put_uint(w, entry->detail);
    }
}
