// SPDX-License-Identifier: Apache-2.0
// Firmware for tests: does what the words of a request say, anywhere, and replies with words.
#include "hal.h"

enum { ECHO, READ, WRITE, CALL, ARITHMETIC, READ_BYTE, WRITE_BYTE, READ_HALF, WRITE_HALF, MULTIPLY, ZEROS, SPIN };

static uint32_t argument(uint32_t index) { return hal_read(REG_FIRMWARE_REQUEST + 4 * index); }

static void result(uint32_t index, uint32_t value) { hal_write(REG_FIRMWARE_REPLY + 4 * index, value); }

static uint32_t arithmetic(uint32_t a, uint32_t b) {
    const int32_t signed_a = (int32_t)a;
    uint32_t index = 0;
    result(index++, a + b);
    result(index++, a - b);
    result(index++, a * b);
    result(index++, (uint32_t)((uint64_t)a * b >> 32));
    result(index++, (uint32_t)((int64_t)signed_a * (int32_t)b >> 32));
    result(index++, a << (b & 31));
    result(index++, a >> (b & 31));
    result(index++, (uint32_t)(signed_a >> (b & 31)));
    result(index++, a < b);
    result(index++, signed_a < (int32_t)b);
    return index;
}

// As firmware does where something cannot be.
static void give_up(void) {
    hal_write(REG_RAISE, 1);
    for (;;) {
    }
}

// Multiplications and additions as those of elliptic curves, in RAM.
static uint32_t multiply(uint32_t rounds) {
    static uint64_t limbs[10];
    for (uint32_t i = 0; i < 10; i++) {
        limbs[i] = 0x2345671 + i;
    }
    for (uint32_t round = 0; round < rounds; round++) {
        for (uint32_t i = 0; i < 10; i++) {
            uint64_t sum = 0;
            for (uint32_t k = 0; k < 10; k++) {
                sum += (uint64_t)(uint32_t)limbs[k] * (uint32_t)limbs[(i + k) & 7];
            }
            limbs[i] = (sum & 0x3ffffff) + (sum >> 26 & 0xffff);
        }
    }
    result(0, (uint32_t)limbs[0]);
    return 1;
}

// How many words of RAM between two addresses are 0.
static uint32_t zeros(uint32_t from, uint32_t to) {
    uint32_t count = 0;
    for (; from < to; from += 4) {
        count += hal_read(from) == 0;
    }
    result(0, count);
    return 1;
}

static uint32_t serve(uint32_t a, uint32_t b, uint32_t words) {
    switch (argument(0)) {
        case ECHO:
            for (uint32_t index = 0; index < words; index++) {
                result(index, argument(index));
            }
            return words;
        case READ:
            result(0, hal_read(a));
            return 1;
        case WRITE:
            hal_write(a, b);
            return 0;
        case CALL:
            ((void (*)(void))a)();
            return 0;
        case ARITHMETIC:
            return arithmetic(a, b);
        case READ_BYTE:
            result(0, *(volatile const uint8_t *)a);
            return 1;
        case WRITE_BYTE:
            *(volatile uint8_t *)a = (uint8_t)b;
            return 0;
        case READ_HALF:
            result(0, *(volatile const uint16_t *)a);
            return 1;
        case WRITE_HALF:
            *(volatile uint16_t *)a = (uint16_t)b;
            return 0;
        case MULTIPLY:
            return multiply(a);
        case ZEROS:
            return zeros(a, b);
        case SPIN:
            for (uint32_t left = a; left; left--) {
                __asm__ volatile("nop");
            }
            return 0;
        default:
            give_up();
            return 0;
    }
}

int main(void) {
    hal_write(REG_STATE, LIFECYCLE_BLANK);
    for (;;) {
        const uint32_t pending = hal_read(REG_MAILBOX_PENDING);
        if (pending & REG_MAILBOX_PENDING_PENDING_MASK) {
            const uint32_t words = (pending & REG_MAILBOX_PENDING_LENGTH_MASK) / 4;
            hal_write(REG_MAILBOX_ANSWER, 4 * serve(argument(1), argument(2), words));
        }
        feed_watchdog();
    }
}
