// SPDX-License-Identifier: Apache-2.0
// A whole processor: control with CPU and firmware, what is at the pins of its control, and the datapath in a clock domain of
// its own.

#include "device.hpp"
#include "flash.hpp"
#include "noise.hpp"
#include "uart.hpp"

namespace custodes {

// Domains are asynchronous, so any ratio of clocks is as good as another: two cycles of the datapath in one of the control
// while there is something to do there, else one in so many, as they take most of the time.
constexpr unsigned kDatapathCycles = 2, kRestingCycles = 64;
// The noise source gives a sample in so many cycles.
constexpr unsigned kSampleCycles = 16;
// A register answers in far fewer.
constexpr unsigned kAccessCycles = 100000;

struct Nic : Device {
    Flash flash;
    Noise noise;
    Uart uart;
    uint64_t control_cycles = 0;
    unsigned rested = 0, phase = 0, unsampled = 0;

    // A cycle of the control's clock. That of the hash engines rests while they do: there is much in them to look at.
    void step_control() {
        Vdevice& t = *top;
        t.rx = uart.step(t.tx);
        t.flash_cipo = flash.step(t.flash_cs, t.flash_sck, t.flash_copi);
        t.sample_valid = ++unsampled == kSampleCycles;
        if (t.sample_valid) {
            unsampled = 0;
            t.sample = noise.sample();
        }
        t.control_clk = t.hash_clk = 0;
        t.eval();
        dump();
        t.control_clk = 1;
        t.hash_clk = t.hashing || t.hash_rst;
        t.eval();
        dump();
        control_cycles++;
    }

    // A cycle of the control, and as many of the datapath as it needs.
    void step_both() {
        step_control();
        if (outstanding() || top->accessing) {
            for (unsigned i = 0; i < kDatapathCycles; i++) step_datapath();
        } else if (++rested == kRestingCycles) {
            rested = 0;
            step_datapath();
        }
    }

    void step() override {
        step_datapath();
        if (++phase % kDatapathCycles == 0) step_control();
    }

    void reset() override {
        flash.cut_power();
        top->host_request_valid = top->host_reply_ready = 0;
        uart.reset();
        top->control_rst = top->hash_rst = 1;
        for (int i = 0; i < kResetCycles; i++) step_control();
        Device::reset();
        for (int i = 0; i < kResetCycles; i++) step_control();
        top->control_rst = top->hash_rst = 0;
    }

    // Returns 0, 1: refused, -1: no answer.
    int32_t access(bool write, uint32_t address, uint32_t& value) {
        Vdevice& t = *top;
        t.host_request_payload_address = address;
        t.host_request_payload_write = write;
        t.host_request_payload_data = value;
        t.host_request_valid = t.host_reply_ready = 1;
        int32_t result = -1;
        for (unsigned i = 0; i < kAccessCycles && result < 0; i++) {
            const bool taken = t.host_request_valid && t.host_request_ready;
            if (t.host_reply_valid) {
                value = t.host_reply_payload_data;
                result = t.host_reply_payload_refused;
            }
            step_both();
            if (taken) t.host_request_valid = 0;
        }
        t.host_request_valid = t.host_reply_ready = 0;
        t.eval();
        return result;
    }
};

Device* make_device() { return new Nic; }

}  // namespace custodes

using custodes::Device;
using custodes::Nic;

namespace {

Nic& nic(Device* device) { return static_cast<Nic&>(*device); }

}  // namespace

extern "C" {

// Reads or writes a register as a host does. Returns 0, 1: refused, or -1: no answer.
int32_t custodes_access(Device* device, uint32_t write, uint32_t address, uint32_t* value) {
    return nic(device).access(write != 0, address, *value);
}

// Runs the control for so many cycles, and the datapath as much as it needs.
void custodes_step_control(Device* device, uint64_t cycles) {
    while (cycles--) nic(device).step_both();
}

uint64_t custodes_control_cycles(Device* device) { return nic(device).control_cycles; }

void custodes_tamper(Device* device, uint32_t level) { device->top->tamper = level != 0; }

// Probabilities in parts of 65536; `stuck` is 0, 1, or -1 for a source that is not.
void custodes_noise(Device* device, uint64_t seed, uint32_t ones, uint32_t repeats, int32_t stuck) {
    nic(device).noise = {seed, ones, repeats, stuck};
}

// The host's end of the UART: clocks of the control per bit, from the next byte on.
void custodes_uart(Device* device, double cycles_per_bit) { nic(device).uart.set_bit(cycles_per_bit); }

void custodes_uart_send(Device* device, const uint8_t* bytes, uint32_t length) {
    for (uint32_t i = 0; i < length; i++) nic(device).uart.send(bytes[i]);
}

// How many bytes are not on the line as a whole yet.
uint32_t custodes_uart_unsent(Device* device) { return uint32_t(nic(device).uart.unsent()); }

// Takes at most so many bytes that have been received; returns how many.
uint32_t custodes_uart_receive(Device* device, uint8_t* bytes, uint32_t size) {
    uint32_t count = 0;
    while (count < size && nic(device).uart.received()) bytes[count++] = nic(device).uart.take();
    return count;
}

uint32_t custodes_flash_size() { return custodes::Flash::kSize; }

void custodes_flash_load(Device* device, uint32_t address, const uint8_t* bytes, uint32_t length) {
    for (uint32_t i = 0; i < length; i++) nic(device).flash.set(address + i, bytes[i]);
}

void custodes_flash_save(Device* device, uint32_t address, uint8_t* bytes, uint32_t length) {
    for (uint32_t i = 0; i < length; i++) bytes[i] = nic(device).flash.read(address + i);
}
}
