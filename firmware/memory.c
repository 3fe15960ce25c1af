// SPDX-License-Identifier: Apache-2.0
// What the compiler expects of a C library. Built so that it does not make calls of itself from these loops.
#include "bytes.h"

void *memcpy(void *restrict to, const void *restrict from, size_t size) {
    uint8_t *target = to;
    const uint8_t *source = from;
    for (size_t at = 0; at < size; at++) {
        target[at] = source[at];
    }
    return to;
}

void *memset(void *to, int value, size_t size) {
    uint8_t *target = to;
    for (size_t at = 0; at < size; at++) {
        target[at] = (uint8_t)value;
    }
    return to;
}
