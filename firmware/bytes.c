// SPDX-License-Identifier: Apache-2.0
#include "bytes.h"

bool same(const void *a, const void *b, size_t size) {
    const volatile uint8_t *left = a, *right = b;
    uint8_t differences = 0;
    for (size_t at = 0; at < size; at++) {
        differences |= left[at] ^ right[at];
    }
    return differences == 0;
}
