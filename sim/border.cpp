// SPDX-License-Identifier: Apache-2.0
// A border: what leaves for the world leaves by a schedule, padded, with dummies between. So verdicts and what leaves are
// taken each for itself, and what leaves says when.

#include "bus.hpp"

namespace custodes {

struct Border final : Device {
    std::deque<uint64_t> times[2];  // of the first beat of each frame of `egress`, and of the one that is under way

    void step() override {
        bool begun[2];
        size_t count[2];
        for (int i = 0; i < 2; i++) {
            begun[i] = !directions[i].partial.empty();
            count[i] = directions[i].egress.size();
        }
        const uint64_t now = cycles;
        step_datapath();
        for (int i = 0; i < 2; i++) {
            const Direction& d = directions[i];
            if (!begun[i] && (!d.partial.empty() || d.egress.size() > count[i])) times[i].push_back(now);
        }
    }

    void reset() override {
        Device::reset();
        for (auto& of : times) of.clear();
    }

    // Whether a frame has not come as far as the retimer, or has not left to the cluster.
    bool inside() const {
        for (const Direction& d : directions)
            if (!d.waiting.empty() || d.entered != d.judged) return true;
        return top->busy;
    }
};

Device* make_device() { return new Border; }

}  // namespace custodes

using custodes::Border;
using custodes::Device;
using custodes::Direction;

namespace {

Border& border(Device* device) { return static_cast<Border&>(*device); }

}  // namespace

extern "C" {

// Runs until every frame has left the warden, or for `cycles`. Returns whether one has not, or -1: stream rule broken, -2:
// the waveform cannot be written.
int64_t custodes_settle(Device* device, uint64_t cycles) {
    while (cycles-- && border(device).inside() && !device->rule_broken && !device->trace_error()) device->step();
    if (device->trace_error()) return -2;
    return device->rule_broken ? -1 : border(device).inside();
}

// The oldest verdict about the frames that came in at a port. Returns whether there is one.
uint32_t custodes_judged(Device* device, uint32_t port, uint32_t* reason, uint64_t* altered) {
    Direction& d = device->directions[port & 1];
    if (d.verdicts.empty()) return 0;
    *reason = d.verdicts.front().reason;
    *altered = d.verdicts.front().altered;
    d.verdicts.pop_front();
    return 1;
}

// The oldest frame that has left at a port, and the cycle of its first beat. Returns
// its length, 0 where there is none, -2 where it does not fit into `size` (nothing is taken).
int64_t custodes_left(Device* device, uint32_t port, uint64_t* cycle, uint8_t* bytes, uint64_t size) {
    Direction& d = device->directions[~port & 1];
    if (d.egress.empty()) return 0;
    const custodes::Bytes& frame = d.egress.front();
    const size_t length = frame.size();
    if (length > size) return -2;
    std::memcpy(bytes, frame.data(), length);
    auto& times = border(device).times[~port & 1];
    *cycle = times.front();
    times.pop_front();
    d.egress.pop_front();
    return int64_t(length);
}
}
