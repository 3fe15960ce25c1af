// SPDX-License-Identifier: Apache-2.0
// A device with control: CPU and firmware, what is at the pins of its control, and the datapath in a clock domain of its own.
// For one file of a library.
#pragma once

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

struct Control {
    Flash flash;
    Noise noise;
    Uart uart;
    uint64_t control_cycles = 0;

    virtual ~Control() = default;

    // A cycle of the control, and as many of the datapath as it needs.
    virtual void step_both() = 0;

    // Returns 0, 1: refused, -1: no answer.
    virtual int32_t access(bool write, uint32_t address, uint32_t& value) = 0;
};

// `Datapath` is what the device is without its control.
template <class Datapath>
struct Controlled final : Datapath, Control {
    using Datapath::cycles, Datapath::dump, Datapath::stirred, Datapath::top;
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
        t.control_clk = t.digest_clk = 0;
        t.eval();
        dump();
        t.control_clk = 1;
        t.digest_clk = t.hashing || t.digest_rst;
        t.eval();
        dump();
        control_cycles++;
    }

    void step_both() override {
        step_control();
        if (top->accessing) stirred = cycles;
        if (top->accessing || this->awake()) {
            for (unsigned i = 0; i < kDatapathCycles; i++) Datapath::step();
        } else if (++rested == kRestingCycles) {
            rested = 0;
            Datapath::step();
        }
    }

    void step() override {
        Datapath::step();
        if (++phase % kDatapathCycles == 0) step_control();
    }

    void reset() override {
        flash.cut_power();
        top->host_request_valid = top->host_reply_ready = 0;
        uart.reset();
        top->control_rst = top->digest_rst = 1;
        for (int i = 0; i < kResetCycles; i++) step_control();
        Datapath::reset();
        for (int i = 0; i < kResetCycles; i++) step_control();
        top->control_rst = top->digest_rst = 0;
    }

    int32_t access(bool write, uint32_t address, uint32_t& value) override {
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

inline Control& control(Device* device) { return dynamic_cast<Control&>(*device); }

}  // namespace custodes

extern "C" {

// Reads or writes a register as a host does. Returns 0, 1: refused, or -1: no answer.
int32_t custodes_access(custodes::Device* device, uint32_t write, uint32_t address, uint32_t* value) {
    return custodes::control(device).access(write != 0, address, *value);
}

// Runs the control for so many cycles, and the datapath as much as it needs.
void custodes_step_control(custodes::Device* device, uint64_t cycles) {
    while (cycles--) custodes::control(device).step_both();
}

uint64_t custodes_control_cycles(custodes::Device* device) { return custodes::control(device).control_cycles; }

// Probabilities in parts of 65536; `stuck` is 0, 1, or -1 for a source that is not.
void custodes_noise(custodes::Device* device, uint64_t seed, uint32_t ones, uint32_t repeats, int32_t stuck) {
    custodes::control(device).noise = {seed, ones, repeats, stuck};
}

// The host's end of the UART: clocks of the control per bit, from the next byte on.
void custodes_uart(custodes::Device* device, double cycles_per_bit) { custodes::control(device).uart.set_bit(cycles_per_bit); }

void custodes_uart_send(custodes::Device* device, const uint8_t* bytes, uint32_t length) {
    for (uint32_t i = 0; i < length; i++) custodes::control(device).uart.send(bytes[i]);
}

// How many bytes are not on the line as a whole yet.
uint32_t custodes_uart_unsent(custodes::Device* device) { return uint32_t(custodes::control(device).uart.unsent()); }

// Takes at most so many bytes that have been received; returns how many.
uint32_t custodes_uart_receive(custodes::Device* device, uint8_t* bytes, uint32_t size) {
    uint32_t count = 0;
    while (count < size && custodes::control(device).uart.received()) bytes[count++] = custodes::control(device).uart.take();
    return count;
}

uint32_t custodes_flash_size() { return custodes::Flash::kSize; }

void custodes_flash_load(custodes::Device* device, uint32_t address, const uint8_t* bytes, uint32_t length) {
    for (uint32_t i = 0; i < length; i++) custodes::control(device).flash.set(address + i, bytes[i]);
}

void custodes_flash_save(custodes::Device* device, uint32_t address, uint8_t* bytes, uint32_t length) {
    for (uint32_t i = 0; i < length; i++) bytes[i] = custodes::control(device).flash.read(address + i);
}
}
