// SPDX-License-Identifier: Apache-2.0
// The register bus of a device that has one at its ports. For one file of a library.
#pragma once

#include "device.hpp"

extern "C" {

void custodes_write(custodes::Device* device, uint32_t address, uint32_t value) {
    device->top->bus_address = address;
    device->top->bus_write_data = value;
    device->top->bus_write = 1;
    device->step();
    device->top->bus_write = 0;
}

uint32_t custodes_read(custodes::Device* device, uint32_t address) {
    device->top->bus_address = address;
    for (int i = 0; i < 7; i++) device->step();
    return device->top->bus_read_data;
}
}
