// SPDX-License-Identifier: Apache-2.0
// A gateway: not every frame has a verdict, so verdicts and what leaves are taken each for itself; and a third port, where
// frames only leave. For one file of a library.
#pragma once

#include <random>

#include "device.hpp"

namespace custodes {

constexpr int kRecomputer = 2;

// After nothing has moved for so long, nothing will: a server is without power for less (`SIMULATED_OFF_CYCLES` of build.py),
// and digests, and what is overwritten, take less.
constexpr uint64_t kAwakeCycles = 1 << 16;

struct Gateway : Device {
    Direction samples;  // what leaves to the recomputer
    bool unplugged = false;  // the recomputer takes nothing
    std::deque<uint32_t> words;  // for keys; where there are none, they are of the host's own source
    std::random_device source;
    uint32_t word = source();
    bool powered = false;

    // As the server loses its power.
    bool may_cut() const override { return true; }

    // Frames of weights have no verdict.
    bool awake() const override { return cycles - stirred < kAwakeCycles; }

    void step() override {
        Vdevice& t = *top;
        // Nothing on the way from there to here is but a register: it has been so since the last clock edge.
        t.random_payload = words.empty() ? word : words.front();
        t.random_valid = 1;
        const bool drawn = t.random_ready;
        t.o_recomputer_ready = !unplugged && !(stall && dice() < stall);
        // While it is reset, nothing may have been worked out yet.
        const bool sampled = !t.rst && t.o_recomputer_valid && t.o_recomputer_ready;
        if (sampled)
            collect(samples, t.o_recomputer_payload_data, t.o_recomputer_payload_keep, t.o_recomputer_payload_last,
                    t.o_recomputer_payload_error);
        step_datapath();
        if (drawn || sampled || t.power != powered || t.i_server_valid || t.i_world_valid || t.o_server_valid ||
            t.o_world_valid)
            stirred = cycles;
        powered = t.power;
        if (!drawn) return;
        if (words.empty()) word = source();
        else words.pop_front();
    }

    void reset() override {
        Device::reset();
        samples = Direction{};
        words.clear();
        stirred = cycles;
    }
};

inline Gateway& gateway(Device* device) { return static_cast<Gateway&>(*device); }

}  // namespace custodes

extern "C" {

// Whether the server has power.
uint32_t custodes_power(const custodes::Device* device) { return device->top->power; }

// Whether somebody has pulled the recomputer's cable.
void custodes_unplug(custodes::Device* device, uint32_t unplugged) { custodes::gateway(device).unplugged = unplugged != 0; }

// The next word that is drawn for a key, after those that have been given.
void custodes_word(custodes::Device* device, uint32_t word) { custodes::gateway(device).words.push_back(word); }

// Frames that have come in at no port yet.
uint64_t custodes_unsent(const custodes::Device* device) {
    return device->directions[0].waiting.size() + device->directions[1].waiting.size();
}

// The oldest frame that has left at a port. Returns its length, 0 where there is none, -1: stream rule broken, -2 where it
// does not fit into `size` (nothing is taken).
int64_t custodes_left(custodes::Device* device, uint32_t port, uint8_t* bytes, uint64_t size) {
    if (device->rule_broken) return -1;
    auto& way = port == custodes::kRecomputer ? custodes::gateway(device).samples : device->directions[~port & 1];
    auto& egress = way.egress;
    if (egress.empty()) return 0;
    const custodes::Bytes& frame = egress.front();
    const size_t length = frame.size();
    if (length > size) return -2;
    std::memcpy(bytes, frame.data(), length);
    egress.pop_front();
    return int64_t(length);
}
}
