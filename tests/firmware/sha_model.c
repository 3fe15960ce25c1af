// SPDX-License-Identifier: Apache-2.0
// The SHA-256 engine: FIPS 180-4, 6.2.
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "model_parts.h"

static uint32_t state[8], block[16], filled;

static const uint8_t PRIMES[64] = {2,   3,   5,   7,   11,  13,  17,  19,  23,  29,  31,  37,  41,  43,  47,  53,
                                   59,  61,  67,  71,  73,  79,  83,  89,  97,  101, 103, 107, 109, 113, 127, 131,
                                   137, 139, 149, 151, 157, 163, 167, 173, 179, 181, 191, 193, 197, 199, 211, 223,
                                   227, 229, 233, 239, 241, 251};
static const uint16_t MORE[10] = {257, 263, 269, 271, 277, 281, 283, 293, 307, 311};
static uint32_t constants[64];

// The fractional part of a root.
static uint32_t fraction(long double root) { return (uint32_t)((root - floorl(root)) * 4294967296.0L); }

static uint32_t rotate(uint32_t value, uint32_t by) { return value >> by | value << (32 - by); }

void sha_model_begin(void) {
    for (uint32_t at = 0; at < 64; at++) {
        long double prime = at < 54 ? PRIMES[at] : MORE[at - 54];
        constants[at] = constants[at] ? constants[at] : fraction(cbrtl(prime));
        if (at < 8) {
            state[at] = fraction(sqrtl(prime));
        }
    }
    filled = 0;
}

static void compress(void) {
    uint32_t w[64], now[8];
    memcpy(w, block, sizeof block);
    for (uint32_t at = 16; at < 64; at++) {
        uint32_t early = w[at - 15], late = w[at - 2];
        w[at] = w[at - 16] + w[at - 7] + (rotate(early, 7) ^ rotate(early, 18) ^ early >> 3) +
                (rotate(late, 17) ^ rotate(late, 19) ^ late >> 10);
    }
    memcpy(now, state, sizeof now);
    for (uint32_t at = 0; at < 64; at++) {
        uint32_t a = now[0], e = now[4];
        uint32_t first = now[7] + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & now[5]) ^ (~e & now[6])) +
                         constants[at] + w[at];
        uint32_t second = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & now[1]) ^ (a & now[2]) ^ (now[1] & now[2]));
        memmove(now + 1, now, 7 * sizeof *now);
        now[4] += first;
        now[0] = first + second;
    }
    for (uint32_t at = 0; at < 8; at++) {
        state[at] += now[at];
    }
}

void sha_model_word(uint32_t word) {
    block[filled++] = word;
    if (filled == 16) {
        filled = 0;
        compress();
    }
}

uint32_t sha_model_state(uint32_t word) { return state[word]; }
