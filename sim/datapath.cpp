// SPDX-License-Identifier: Apache-2.0
// A datapath with its register bus: a warden, or the datapath of a processor.

#include "bus.hpp"

custodes::Device* custodes::make_device() { return new Device; }
