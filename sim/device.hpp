// SPDX-License-Identifier: Apache-2.0
// A verilated device: frames in, verdicts and frames out. What a kind of device has besides, and the functions that the host
// calls, are in the other files of this folder.
//
// From the command line: LANES; PORT_0 and PORT_1, the names of the two ports; ALTERED, whether verdicts have an `altered`;
// MUTANTS, whether there are any.
// Vdevice is the verilated `FlatTop` of the device.
#pragma once

#include <bit>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <vector>

#include "Vdevice.h"
#include "verilated.h"
#if VM_TRACE
#include "verilated_vcd_c.h"
#endif

// SIGNAL(i_, PORT_0, valid) is the i_cluster_valid of a warden.
#define JOIN(kind, port, field) kind##port##_##field
#define SIGNAL(kind, port, field) JOIN(kind, port, field)

namespace custodes {

using Bytes = std::vector<uint8_t>;

struct Frame {
    Bytes bytes;
    bool error;
};

struct Verdict {
    uint32_t reason;
    uint64_t altered;
};

// One direction: what waits to go in at a port, and what came of it on the way to the other port.
struct Direction {
    std::deque<Frame> waiting;
    size_t sent = 0;  // bytes of waiting.front() that are already in
    std::deque<Verdict> verdicts;
    std::deque<Bytes> egress;
    Bytes partial;
    uint64_t entered = 0, judged = 0, forwarded = 0, left = 0;
};

constexpr uint64_t kFullKeep = LANES == 64 ? ~uint64_t{0} : (uint64_t{1} << (LANES % 64)) - 1;

constexpr int kResetCycles = 4;

#if VM_TRACE
// Keeps the first error and goes on; Verilator's own would end the process.
struct TraceFile final : VerilatedVcdFile {
    int error = 0;
    ssize_t write(const char* bytes, ssize_t length) override {
        const ssize_t count = error ? length : VerilatedVcdFile::write(bytes, length);
        if (count >= 0 || errno == EAGAIN || errno == EINTR) return count;
        error = errno;
        return length;
    }
};
#endif

struct Device {
    virtual ~Device() = default;

    VerilatedContext context;
    std::unique_ptr<Vdevice> top;
#if VM_TRACE
    TraceFile trace_file;
    std::unique_ptr<VerilatedVcdC> trace;
#endif
    Direction directions[2];
    uint64_t cycles = 0, random = 1;
    uint64_t stirred = 0;  // the cycle in which something moved last, or a register was asked for, where it matters
    unsigned idle = 0, stall = 0;  // of 256: how often a port pauses
    bool rule_broken = false;

    // Whether a frame that leaves may end with `error`, and is then none.
    virtual bool may_cut() const { return false; }

    unsigned dice() {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        return (random >> 24) & 0xff;
    }

    template <class Data, class Keep>
    void offer(Direction& d, Data& data, Keep& keep, CData& last, CData& error, CData& valid) {
        if (valid || d.waiting.empty() || (idle && dice() < idle)) return;
        const Frame& frame = d.waiting.front();
        const size_t left = frame.bytes.size() - d.sent, count = left < LANES ? left : LANES;
        uint8_t beat[LANES < 8 ? 8 : LANES] = {};
        std::memcpy(beat, frame.bytes.data() + d.sent, count);
        std::memcpy(&data, beat, sizeof data);
        keep = count == LANES ? kFullKeep : (uint64_t{1} << count) - 1;
        last = count == left;
        error = last && frame.error;
        valid = 1;
    }

    void accepted(Direction& d, CData& valid) {
        valid = 0;
        d.sent += LANES;
        if (d.sent < d.waiting.front().bytes.size()) return;
        d.waiting.pop_front();
        d.sent = 0;
        d.entered++;
    }

    template <class Data>
    void collect(Direction& d, const Data& data, uint64_t keep, bool last, bool error) {
        const unsigned count = std::popcount(keep);
        if (last && error && may_cut()) return d.partial.clear();
        const bool prefix = keep == (count == 64 ? ~uint64_t{0} : (uint64_t{1} << count) - 1);
        if (!prefix || count == 0 || error || (!last && keep != kFullKeep)) rule_broken = true;
        const auto* beat = reinterpret_cast<const uint8_t*>(&data);
        d.partial.insert(d.partial.end(), beat, beat + count);
        if (!last) return;
        d.egress.push_back(std::move(d.partial));
        d.partial.clear();
        d.left++;
    }

    void judged(Direction& d, bool valid, uint32_t reason, uint64_t altered) {
        if (!valid) return;
        d.verdicts.push_back({reason, altered});
        d.judged++;
        d.forwarded += reason == 0;
    }

    // The errno of what keeps the waveform from being written, or 0.
    int trace_error() const {
#if VM_TRACE
        return trace_file.error;
#else
        return 0;
#endif
    }

    void dump() {
#if VM_TRACE
        if (trace) trace->dump(context.time());
#endif
        context.timeInc(1);
    }

    // One cycle of the clock of the datapath.
    void step_datapath() {
        Vdevice& t = *top;
        Direction &d0 = directions[0], &d1 = directions[1];
        offer(d0, t.SIGNAL(i_, PORT_0, payload_data), t.SIGNAL(i_, PORT_0, payload_keep),
              t.SIGNAL(i_, PORT_0, payload_last), t.SIGNAL(i_, PORT_0, payload_error), t.SIGNAL(i_, PORT_0, valid));
        offer(d1, t.SIGNAL(i_, PORT_1, payload_data), t.SIGNAL(i_, PORT_1, payload_keep),
              t.SIGNAL(i_, PORT_1, payload_last), t.SIGNAL(i_, PORT_1, payload_error), t.SIGNAL(i_, PORT_1, valid));
        t.SIGNAL(o_, PORT_0, ready) = !(stall && dice() < stall);
        t.SIGNAL(o_, PORT_1, ready) = !(stall && dice() < stall);
        t.clk = 0;
        t.eval();
        dump();
        const bool in_0 = t.SIGNAL(i_, PORT_0, valid) && t.SIGNAL(i_, PORT_0, ready);
        const bool in_1 = t.SIGNAL(i_, PORT_1, valid) && t.SIGNAL(i_, PORT_1, ready);
        if (t.SIGNAL(o_, PORT_1, valid) && t.SIGNAL(o_, PORT_1, ready))
            collect(d0, t.SIGNAL(o_, PORT_1, payload_data), t.SIGNAL(o_, PORT_1, payload_keep),
                    t.SIGNAL(o_, PORT_1, payload_last), t.SIGNAL(o_, PORT_1, payload_error));
        if (t.SIGNAL(o_, PORT_0, valid) && t.SIGNAL(o_, PORT_0, ready))
            collect(d1, t.SIGNAL(o_, PORT_0, payload_data), t.SIGNAL(o_, PORT_0, payload_keep),
                    t.SIGNAL(o_, PORT_0, payload_last), t.SIGNAL(o_, PORT_0, payload_error));
        uint64_t altered_0 = 0, altered_1 = 0;
#if ALTERED
        altered_0 = t.SIGNAL(verdict_, PORT_0, altered);
        altered_1 = t.SIGNAL(verdict_, PORT_1, altered);
#endif
        judged(d0, t.SIGNAL(verdict_, PORT_0, valid), t.SIGNAL(verdict_, PORT_0, reason), altered_0);
        judged(d1, t.SIGNAL(verdict_, PORT_1, valid), t.SIGNAL(verdict_, PORT_1, reason), altered_1);
        t.clk = 1;
        t.eval();
        dump();
        cycles++;
        if (in_0) accepted(d0, t.SIGNAL(i_, PORT_0, valid));
        if (in_1) accepted(d1, t.SIGNAL(i_, PORT_1, valid));
    }

    // A frame may leave before its verdict is told.
    uint64_t outstanding() const {
        uint64_t count = 0;
        for (const Direction& d : directions)
            count += d.waiting.size() + (d.entered - d.judged) + (d.forwarded > d.left ? d.forwarded - d.left : 0);
        return count;
    }

    // Whether there is something to do, but for registers.
    virtual bool awake() const { return outstanding(); }

    // One cycle, and of whatever other clock there is as many as go with it.
    virtual void step() { step_datapath(); }

    // Forgets the frames inside, and resets the device.
    virtual void reset() {
        for (Direction& d : directions) d = Direction{};
        top->SIGNAL(i_, PORT_0, valid) = top->SIGNAL(i_, PORT_1, valid) = 0;
        top->rst = 1;
        for (int i = 0; i < kResetCycles; i++) step();
        top->rst = 0;
        for (Direction& d : directions) d = Direction{};
    }
};

// Makes a device of the kind that this library has.
Device* make_device();

}  // namespace custodes
