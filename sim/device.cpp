// SPDX-License-Identifier: Apache-2.0
// A verilated device behind a C ABI: frames in, verdicts and frames out, registers. See README.md of this folder.
//
// From the command line: LANES; PORT_0 and PORT_1, the names of the two ports; ALTERED and TAMPER, whether verdicts have an
// `altered` and whether there is a `tamper` input. Vdevice is the verilated `FlatTop` of the device.

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

namespace {

using Bytes = std::vector<uint8_t>;

struct Frame {
    Bytes bytes;
    bool error;
};

struct Verdict {
    uint32_t reason, altered;
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
    VerilatedContext context;
    std::unique_ptr<Vdevice> top;
#if VM_TRACE
    TraceFile trace_file;
    std::unique_ptr<VerilatedVcdC> trace;
#endif
    Direction directions[2];
    uint64_t cycles = 0, random = 1;
    unsigned idle = 0, stall = 0;  // of 256: how often a port pauses
    bool rule_broken = false;

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
        const bool prefix = keep == (count == 64 ? ~uint64_t{0} : (uint64_t{1} << count) - 1);
        if (!prefix || count == 0 || error || (!last && keep != kFullKeep)) rule_broken = true;
        const auto* beat = reinterpret_cast<const uint8_t*>(&data);
        d.partial.insert(d.partial.end(), beat, beat + count);
        if (!last) return;
        d.egress.push_back(std::move(d.partial));
        d.partial.clear();
        d.left++;
    }

    void judged(Direction& d, bool valid, uint32_t reason, uint32_t altered) {
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

    void step() {
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
        uint32_t altered_0 = 0, altered_1 = 0;
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

    uint64_t outstanding() const {
        uint64_t count = 0;
        for (const Direction& d : directions)
            count += d.waiting.size() + (d.entered - d.judged) + (d.forwarded - d.left);
        return count;
    }

    void reset() {
        for (Direction& d : directions) d = Direction{};
        top->SIGNAL(i_, PORT_0, valid) = top->SIGNAL(i_, PORT_1, valid) = top->bus_write = 0;
        top->rst = 1;
        for (int i = 0; i < 4; i++) step();
        top->rst = 0;
        for (Direction& d : directions) d = Direction{};
    }
};

}  // namespace

extern "C" {

uint32_t custodes_abi() { return 1; }
uint32_t custodes_lanes() { return LANES; }

Device* custodes_open(const char* trace_path) {
    auto* device = new Device;
#if VM_TRACE
    device->context.traceEverOn(true);
#endif
    device->top = std::make_unique<Vdevice>(&device->context);
    if (trace_path) {
#if VM_TRACE
        device->trace = std::make_unique<VerilatedVcdC>(&device->trace_file);
        device->top->trace(device->trace.get(), 99);
        device->trace->open(trace_path);
        if (!device->trace->isOpen()) {
            delete device;
            return nullptr;
        }
#else
        delete device;
        return nullptr;
#endif
    }
    device->reset();
    return device;
}

// Returns the errno of what kept the waveform from being written, or 0.
int32_t custodes_close(Device* device) {
#if VM_TRACE
    if (device->trace) device->trace->close();
#endif
    const int error = device->trace_error();
    device->top->final();
    delete device;
    return error;
}

void custodes_reset(Device* device) { device->reset(); }
uint64_t custodes_cycles(const Device* device) { return device->cycles; }

uint64_t custodes_pending(const Device* device, uint32_t port) {
    const Direction& d = device->directions[port & 1];
    return d.verdicts.size() + d.egress.size() + d.partial.size();
}

void custodes_pause(Device* device, uint32_t idle, uint32_t stall, uint64_t seed) {
    device->idle = idle;
    device->stall = stall;
    device->random = seed | 1;
}

void custodes_send(Device* device, uint32_t port, const uint8_t* bytes, uint32_t length, uint32_t error) {
    device->directions[port & 1].waiting.push_back({Bytes(bytes, bytes + length), error != 0});
}

// Runs until every frame has its outcome, or for `cycles`. Returns how many have none yet, -1: stream rule broken, or
// -2: the waveform cannot be written.
int64_t custodes_run(Device* device, uint64_t cycles) {
    while (cycles-- && device->outstanding() && !device->rule_broken && !device->trace_error()) device->step();
    if (device->trace_error()) return -2;
    return device->rule_broken ? -1 : int64_t(device->outstanding());
}

void custodes_step(Device* device, uint64_t cycles) {
    while (cycles--) device->step();
}

// The oldest outcome of a port. Returns the length of the frame that left, 0 for a drop, -1 where there is no outcome,
// -2 where the frame does not fit into `size` (nothing is taken).
int64_t custodes_take(Device* device, uint32_t port, uint32_t* reason, uint32_t* altered, uint8_t* bytes, uint64_t size) {
    Direction& d = device->directions[port & 1];
    if (d.verdicts.empty()) return -1;
    const bool forwarded = d.verdicts.front().reason == 0;
    if (forwarded && d.egress.empty()) return -1;
    if (forwarded && d.egress.front().size() > size) return -2;
    *reason = d.verdicts.front().reason;
    *altered = d.verdicts.front().altered;
    d.verdicts.pop_front();
    if (!forwarded) return 0;
    const Bytes frame = std::move(d.egress.front());
    d.egress.pop_front();
    std::memcpy(bytes, frame.data(), frame.size());
    return int64_t(frame.size());
}

#if TAMPER
void custodes_tamper(Device* device, uint32_t level) { device->top->tamper = level != 0; }
#endif

void custodes_write(Device* device, uint32_t address, uint32_t value) {
    device->top->bus_address = address;
    device->top->bus_write_data = value;
    device->top->bus_write = 1;
    device->step();
    device->top->bus_write = 0;
}

uint32_t custodes_read(Device* device, uint32_t address) {
    device->top->bus_address = address;
    for (int i = 0; i < 5; i++) device->step();
    return device->top->bus_read_data;
}
}
