// SPDX-License-Identifier: Apache-2.0
#include "model.h"

#include <setjmp.h>
#include <stdbool.h>
#include <string.h>

#include "hal.h"
#include "main.h"
#include "model_parts.h"

// What the firmware takes for its ROM: the image in a file, or some bytes. Whole blocks of SHA-256.
#ifdef ROM_FILE
#define ROM ".incbin \"" ROM_FILE "\""
#else
#define ROM ".byte 1, 2, 3, 4, 5\n.skip 4091"
#endif
__asm__(".section .rodata\n.globl rom_begin, rom_end\nrom_begin: " ROM "\nrom_end: .byte 0\n.text");

// Register accesses after which a request will never end.
enum { PATIENCE = 200000000 };

static jmp_buf out;
static uint8_t secret[32];
static uint32_t secret_read, state, noise, drawn, pending, answered;
static bool secret_locked;
static uint64_t accesses, deadline;
static uint32_t request[MAILBOX_WORDS], reply[MAILBOX_WORDS], rom_digest[8];

void model_leave(int how) { longjmp(out, how); }

void model_set_noise(uint32_t kind) { noise = kind; }
uint32_t secret_model_words(void) { return secret_read; }
uint32_t secret_model_locked(void) { return secret_locked; }
uint32_t model_state(void) { return state; }
uint64_t model_accesses(void) { return accesses; }
void model_spoil_rom_digest(void) { rom_digest[0] ^= 1; }

void model_new(const uint8_t new_secret[32]) {
    memcpy(secret, new_secret, sizeof secret);
    noise = SOURCE_GOOD;
    deadline = UINT64_MAX;
    drawn = 0;
    flash_model_new();
    upload_model_new();
    sha_model_begin();
    for (const uint8_t *at = rom_begin; at < rom_end; at += 4) {
        sha_model_word((uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3]);
    }
    sha_model_word(0x80000000u);
    for (uint32_t at = 0; at < 14; at++) {
        sha_model_word(0);
    }
    sha_model_word(8 * (uint32_t)(rom_end - rom_begin));
    for (uint32_t at = 0; at < 8; at++) {
        rom_digest[at] = __builtin_bswap32(sha_model_state(at));
    }
}

int model_boot(void) {
    secret_read = 0;
    secret_locked = false;
    state = LIFECYCLE_BOOT;
    pending = answered = 0;
    accesses = 0;
    deadline = PATIENCE;
    flash_model_power_on();
    datapath_model_reset();
    upload_model_reset();
    int how = setjmp(out);
    if (!how) {
        boot();
    }
    return how;
}

int model_request(const uint8_t *data, uint32_t size, uint8_t *answer, uint32_t *answer_size) {
    memset(request, 0xEE, sizeof request);
    memcpy(request, data, size > sizeof request ? sizeof request : size);
    memset(reply, 0, sizeof reply);
    pending = size | REG_MAILBOX_PENDING_PENDING_MASK;
    answered = 0;
    *answer_size = 0;
    deadline = accesses + PATIENCE;
    int how = setjmp(out);
    if (!how) {
        serve();
    }
    if (!pending) {
        *answer_size = answered;
        memcpy(answer, reply, answered);
    }
    return how;
}

static bool allowed(uint32_t wanted) {
    switch (state) {
    case LIFECYCLE_BOOT:
        return wanted == LIFECYCLE_BLANK || wanted == LIFECYCLE_PROVISIONED || wanted == LIFECYCLE_OPERATIONAL ||
               wanted == LIFECYCLE_BRICKED;
    case LIFECYCLE_BLANK:
        return wanted == LIFECYCLE_PROVISIONED || wanted == LIFECYCLE_BRICKED;
    case LIFECYCLE_PROVISIONED:
        return wanted == LIFECYCLE_OPERATIONAL || wanted == LIFECYCLE_BRICKED;
    case LIFECYCLE_OPERATIONAL:
        return wanted == LIFECYCLE_BRICKED;
    default:
        return false;
    }
}

static uint32_t random_word(void) {
    uint32_t value = ++drawn * 0x9E3779B9u;
    value ^= value >> 15;
    return noise == SOURCE_STUCK ? 0xA5A5A5A5u : value * 0x85EBCA6Bu;
}

static uint32_t read_secret(uint32_t word) {
    uint32_t value = 0;
    if (!secret_locked && !(secret_read >> word & 1) && state == LIFECYCLE_BOOT) {
        secret_read |= 1u << word;
        memcpy(&value, secret + 4 * word, 4);
    }
    return value;
}

#define WITHIN(address, name) ((address) >= REG_##name && (address) < REG_##name + 4 * REG_##name##_COUNT)

uint32_t hal_read(uint32_t address) {
    if (++accesses > deadline) {
        model_leave(HUNG);
    }
    if (WITHIN(address, SHA_STATE)) {
        return sha_model_state((address - REG_SHA_STATE) / 4);
    }
    if (WITHIN(address, SECRET)) {
        return read_secret((address - REG_SECRET) / 4);
    }
    if (WITHIN(address, FIRMWARE_REQUEST)) {
        return request[(address - REG_FIRMWARE_REQUEST) / 4];
    }
    if (WITHIN(address, ROM_DIGEST)) {
        return rom_digest[(address - REG_ROM_DIGEST) / 4];
    }
    if (WITHIN(address, MAP_DIGEST) || WITHIN(address, BUILD_ID)) {
        return address * 0x01010101u;
    }
    switch (address) {
    case REG_SHA_STATUS:
        return 0;
    case REG_RANDOM_STATUS:
        return noise == SOURCE_ALARM ? REG_RANDOM_STATUS_ALARM_MASK : noise == SOURCE_SILENT ? 0 : REG_RANDOM_STATUS_VALID_MASK;
    case REG_RANDOM:
        return random_word();
    case REG_STATE:
        return state;
    case REG_TIME:
        return (uint32_t)(accesses << 4);
    case REG_TIME + 4:
        return (uint32_t)(accesses >> 28);
    case REG_CLOCK_HZ:
        return 62500000;
    case REG_MAILBOX_PENDING:
        return pending;
    case REG_SPI_DATA:
        return flash_model_byte();
    case REG_STATUS:
        return datapath_model_status();
    case REG_UPLOAD_STATE:
        return upload_model_state();
    case REG_FEATURES:
        return upload_model_features();
    default:
        return *upload_model_register(address);
    }
}

void hal_write(uint32_t address, uint32_t value) {
    accesses++;
    if (WITHIN(address, FIRMWARE_REPLY)) {
        reply[(address - REG_FIRMWARE_REPLY) / 4] = value;
        return;
    }
    if (address >= MAP_BASE && address < REG_CONTROL_IDENTITY) {
        datapath_model_write(address, value);
        return;
    }
    switch (address) {
    case REG_SHA_WORD:
        sha_model_word(value);
        break;
    case REG_SHA_COMMAND:
        sha_model_begin();
        break;
    case REG_SECRET_LOCK:
        secret_locked = true;
        break;
    case REG_STATE:
        if (allowed(value)) {
            if (state == LIFECYCLE_BLANK) {
                datapath_model_reset();
            }
            state = value;
        }
        break;
    case REG_RAISE:
        state = LIFECYCLE_TAMPERED;
        model_leave(RAISED);
        break;
    case REG_WATCHDOG:
        if (value != WATCHDOG_FEED_VALUE) {
            model_leave(HUNG);
        }
        break;
    case REG_MAILBOX_ANSWER:
        answered = value;
        pending = 0;
        break;
    case REG_SPI_SELECT:
        flash_model_select(value);
        break;
    case REG_SPI_DATA:
        flash_model_exchange((uint8_t)value);
        break;
    default:
        *upload_model_register(address) = value;
    }
}
