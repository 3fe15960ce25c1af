// SPDX-License-Identifier: Apache-2.0
// A datapath with its register bus: a warden, or the datapath of a processor.
//
// From the command line: TAMPER, whether there is a `tamper` input.

#include "device.hpp"

using custodes::Device;

Device* custodes::make_device() { return new Device; }

extern "C" {

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
