// SPDX-License-Identifier: Apache-2.0
// A whole processor: control and the datapath of a processor.

#include "control.hpp"

custodes::Device* custodes::make_device() { return new Controlled<Device>; }
