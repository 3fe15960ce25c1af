// SPDX-License-Identifier: Apache-2.0
// What the host can do with every kind of device. See README.md of this folder.
//
// From the command line: TAMPER, whether there is a `tamper` input.

#include "device.hpp"

using custodes::Bytes;
using custodes::Device;
using custodes::Direction;

extern "C" {

uint32_t custodes_abi() { return 3; }
uint32_t custodes_lanes() { return LANES; }

Device* custodes_open(const char* trace_path) {
    Device* device = custodes::make_device();
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

#if TAMPER
void custodes_tamper(Device* device, uint32_t level) { device->top->tamper = level != 0; }
#endif

#if MUTANTS
// From now on the device is its mutant of that number, or itself: 0.
void custodes_mutate(Device* device, uint32_t number) { device->top->mutant = number; }
#endif

// The oldest outcome of a port. Returns the length of the frame that left, 0 for a drop, -1 where there is no outcome,
// -2 where the frame does not fit into `size` (nothing is taken).
int64_t custodes_take(Device* device, uint32_t port, uint32_t* reason, uint64_t* altered, uint8_t* bytes, uint64_t size) {
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
}
