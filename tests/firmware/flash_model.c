// SPDX-License-Identifier: Apache-2.0
// A NOR flash of 128 KB, of which the firmware has the last 64 KB. The power can be cut after any number of steps: a byte that
// is programmed, or a sixteenth of a sector that is erased. The step at which it is cut is done in part.
#include <stdbool.h>
#include <string.h>

#include "model.h"
#include "model_parts.h"

enum { SIZE_LOG2 = 17, SIZE = 1 << SIZE_LOG2, OURS = 64 << 10, SECTOR = 4096, PAGE = 256, PARTS = 16, BUSY_READS = 3 };

static uint8_t memory[SIZE], page[PAGE];
static uint8_t command, in;
static uint32_t count, address, page_bytes, busy, absent, worn;
static uint64_t steps, cut;
static bool selected, enabled;

uint8_t *flash_model_memory(void) { return memory + SIZE - OURS; }
// Whether anything outside the firmware's part is not as it was made.
int flash_model_strayed(void) {
    for (uint32_t at = 0; at < SIZE - OURS; at++) {
        if (memory[at] != 0xFF) {
            return 1;
        }
    }
    return 0;
}
uint64_t flash_model_steps(void) { return steps; }
// Cuts the power in the step of this number, counted from now; 0: never.
void flash_model_cut(uint64_t step) { cut = step ? steps + step : 0; }
// Answers nothing any more.
void flash_model_remove(void) { absent = 1; }
// Keeps nothing any more.
void flash_model_wear(void) { worn = 1; }

void flash_model_new(void) {
    memset(memory, 0xFF, sizeof memory);
    steps = cut = absent = worn = 0;
}

void flash_model_power_on(void) {
    selected = enabled = false;
    cut = busy = 0;
}

static bool step(void) {
    steps++;
    return cut && steps >= cut;
}

static void program(void) {
    for (uint32_t at = 0; at < page_bytes; at++) {
        uint8_t *byte = &memory[(address & ~(PAGE - 1u)) | ((address + at) & (PAGE - 1u))];
        bool ends = step();
        *byte &= worn ? 0xFF : ends ? page[at] | 0x5A : page[at];
        if (ends) {
            model_leave(POWER_CUT);
        }
    }
}

static void erase(void) {
    uint32_t sector = address & ~(SECTOR - 1u);
    for (uint32_t part = 0; part < PARTS; part++) {
        uint32_t size = SECTOR / PARTS;
        bool ends = step();
        for (uint32_t at = 0; at < size && !worn; at++) {
            memory[sector + size * part + at] |= ends ? 0xC3 : 0xFF;
        }
        if (ends) {
            model_leave(POWER_CUT);
        }
    }
}

void flash_model_select(uint32_t now) {
    bool ends = selected && !now;
    selected = now;
    if (!ends) {
        count = 0;
        return;
    }
    if (command == 0x06 && count == 1) {
        enabled = true;
    } else if (enabled && !busy && count >= 4 && (command == 0x02 || command == 0x20)) {
        enabled = false;
        busy = BUSY_READS;
        if (command == 0x02) {
            program();
        } else {
            erase();
        }
    }
}

void flash_model_exchange(uint8_t byte) {
    static const uint8_t ID[] = {0xEF, 0x40, SIZE_LOG2};
    in = 0xFF;
    if (!selected || absent) {
        return;
    }
    if (count == 0) {
        command = byte;
        address = page_bytes = 0;
    } else if (command == 0x9F) {
        in = count <= sizeof ID ? ID[count - 1] : 0;
    } else if (command == 0x05) {
        in = busy ? 1 : 0;
        busy -= busy ? 1 : 0;
    } else if (count < 4) {
        address = (address << 8 | byte) & (SIZE - 1u);
    } else if (command == 0x03 && !busy) {
        in = memory[address++ & (SIZE - 1u)];
    } else if (command == 0x02 && page_bytes < PAGE) {
        page[page_bytes++] = byte;
    }
    count++;
}

uint32_t flash_model_byte(void) { return in; }
