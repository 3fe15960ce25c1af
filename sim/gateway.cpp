// SPDX-License-Identifier: Apache-2.0
// A gateway: not every frame has a verdict, so verdicts and what leaves are taken each for itself; and a third port, where
// frames only leave.

#include <random>

#include "bus.hpp"

namespace custodes {

constexpr int kRecomputer = 2;

struct Gateway final : Device {
    std::deque<Bytes> samples;
    Bytes sample;
    bool unplugged = false;  // the recomputer takes nothing
    std::deque<uint32_t> words;  // for keys; where there are none, they are of the host's own source
    std::random_device source;
    uint32_t word = source();

    // Of weights, as the server loses its power.
    bool may_cut() const override { return true; }

    void step() override {
        // Nothing on the way from there to here is but a register: it has been so since the last clock edge.
        top->random_payload = words.empty() ? word : words.front();
        top->random_valid = 1;
        const bool drawn = top->random_ready;
        top->o_recomputer_ready = !unplugged && !(stall && dice() < stall);
        if (top->o_recomputer_valid && top->o_recomputer_ready) take_sample();
        step_datapath();
        if (!drawn) return;
        if (words.empty()) word = source();
        else words.pop_front();
    }

    void take_sample() {
        const unsigned count = std::popcount(uint64_t(top->o_recomputer_payload_keep));
        if (count == 0 || top->o_recomputer_payload_error) rule_broken = true;
        const auto* beat = reinterpret_cast<const uint8_t*>(&top->o_recomputer_payload_data);
        sample.insert(sample.end(), beat, beat + count);
        if (!top->o_recomputer_payload_last) return;
        samples.push_back(std::move(sample));
        sample.clear();
    }

    void reset() override {
        Device::reset();
        samples.clear();
        sample.clear();
        words.clear();
    }
};

Device* make_device() { return new Gateway; }

}  // namespace custodes

using custodes::Bytes;
using custodes::Device;
using custodes::Gateway;

namespace {

Gateway& gateway(Device* device) { return static_cast<Gateway&>(*device); }

}  // namespace

extern "C" {

// Whether the server has power.
uint32_t custodes_power(const Device* device) { return device->top->power; }

// Somebody tampers.
void custodes_tamper(Device* device, uint32_t level) { device->top->tamper = level != 0; }

// Whether somebody has pulled the recomputer's cable.
void custodes_unplug(Device* device, uint32_t unplugged) { gateway(device).unplugged = unplugged != 0; }

// The next word that is drawn for a key, after those that have been given.
void custodes_word(Device* device, uint32_t word) { gateway(device).words.push_back(word); }

// Frames that have come in at no port yet.
uint64_t custodes_unsent(const Device* device) {
    return device->directions[0].waiting.size() + device->directions[1].waiting.size();
}

// The oldest frame that has left at a port. Returns its length, 0 where there is none, -1: stream rule broken, -2 where it
// does not fit into `size` (nothing is taken).
int64_t custodes_left(Device* device, uint32_t port, uint8_t* bytes, uint64_t size) {
    if (device->rule_broken) return -1;
    auto& egress = port == custodes::kRecomputer ? gateway(device).samples : device->directions[~port & 1].egress;
    if (egress.empty()) return 0;
    const Bytes& frame = egress.front();
    const size_t length = frame.size();
    if (length > size) return -2;
    std::memcpy(bytes, frame.data(), length);
    egress.pop_front();
    return int64_t(length);
}
}
