// SPDX-License-Identifier: Apache-2.0
#include "flash.h"

#include "hal.h"
#include "sha256.h"

enum { WRITE_ENABLE = 0x06, READ_STATUS = 0x05, READ_ID = 0x9F, READ = 0x03, PROGRAM = 0x02, ERASE_SECTOR = 0x20 };
enum { BUSY = 0x01, LEAST_LOG2 = 16, MOST_LOG2 = 24, NOTHING = 0xFF };

// Reads of the status after which the part never gets ready: erasing takes less than half a second.
#define PATIENCE (1u << 20)

static uint32_t base;

static void select(bool selected) { hal_write(REG_SPI_SELECT, selected); }

static uint8_t exchange(uint8_t byte) {
    uint32_t data;
    hal_write(REG_SPI_DATA, byte);
    do {
        data = hal_read(REG_SPI_DATA);
    } while (data & REG_SPI_DATA_BUSY_MASK);
    return (uint8_t)data;
}

// A command with an address; the part stays selected.
static void begin(uint8_t command, uint32_t address) {
    address += base;
    select(true);
    exchange(command);
    exchange((uint8_t)(address >> 16));
    exchange((uint8_t)(address >> 8));
    exchange((uint8_t)address);
}

static void enable_writing(void) {
    select(true);
    exchange(WRITE_ENABLE);
    select(false);
}

static bool settle(void) {
    uint32_t left = PATIENCE;
    select(true);
    exchange(READ_STATUS);
    while (exchange(NOTHING) & BUSY && --left) {
        feed_watchdog();
    }
    select(false);
    return left;
}

bool flash_begin(bool spoil) {
    uint8_t id[3];
    select(false);
    select(!spoil);
    exchange(READ_ID);
    for (uint32_t at = 0; at < sizeof id; at++) {
        id[at] = exchange(NOTHING);
    }
    select(false);
    if (id[0] == 0 || id[0] == NOTHING || id[2] < LEAST_LOG2 || id[2] > MOST_LOG2) {
        return false;
    }
    base = (1u << id[2]) - FLASH_BYTES;
    return settle();
}

void flash_read(uint32_t address, void *data, size_t size) {
    uint8_t *to = data;
    begin(READ, address);
    for (size_t at = 0; at < size; at++) {
        to[at] = exchange(NOTHING);
    }
    select(false);
}

void flash_hash(uint32_t address, size_t size) {
    begin(READ, address);
    for (size_t at = 0; at < size; at++) {
        uint8_t byte = exchange(NOTHING);
        sha256_update(&byte, 1);
    }
    select(false);
}

bool flash_is_erased(uint32_t address, size_t size) {
    uint8_t all = NOTHING;
    begin(READ, address);
    for (size_t at = 0; at < size; at++) {
        all &= exchange(NOTHING);
    }
    select(false);
    return all == NOTHING;
}

bool flash_write(uint32_t address, const void *data, size_t size) {
    const uint8_t *from = data;
    enable_writing();
    begin(PROGRAM, address);
    for (size_t at = 0; at < size; at++) {
        exchange(from[at]);
    }
    select(false);
    bool good = settle();
    begin(READ, address);
    for (size_t at = 0; at < size; at++) {
        good &= exchange(NOTHING) == from[at];
    }
    select(false);
    return good;
}

bool flash_erase(uint32_t sector_address) {
    enable_writing();
    begin(ERASE_SECTOR, sector_address);
    select(false);
    return settle() && flash_is_erased(sector_address, FLASH_SECTOR);
}
