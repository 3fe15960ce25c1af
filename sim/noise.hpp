// SPDX-License-Identifier: Apache-2.0
// The noise source of noise.py: good, or as bad as is asked for.
#pragma once

#include <cstdint>

namespace custodes {

constexpr uint32_t kNoiseParts = 1 << 16;
constexpr uint64_t kNoiseSeed = 0x9E3779B97F4A7C15;

struct Noise {
    uint64_t state = kNoiseSeed;
    uint32_t ones = kNoiseParts / 2, repeats = 0;
    int32_t stuck = -1;  // the value at which it is stuck, or -1
    bool last = false;

    uint32_t draw() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        return uint32_t(state >> 48);
    }

    bool sample() {
        const bool again = draw() < repeats, one = draw() < ones;
        if (!again) last = one;
        return stuck < 0 ? last : stuck != 0;
    }
};

}  // namespace custodes
