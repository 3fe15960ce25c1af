// SPDX-License-Identifier: Apache-2.0
// A datapath with its register bus: a warden, or the datapath of a processor.
//
// From the command line: TAMPER, whether there is a `tamper` input.

#include "bus.hpp"

using custodes::Device;

Device* custodes::make_device() { return new Device; }

extern "C" {

#if TAMPER
void custodes_tamper(Device* device, uint32_t level) { device->top->tamper = level != 0; }
#endif
}
