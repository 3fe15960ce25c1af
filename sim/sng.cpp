// SPDX-License-Identifier: Apache-2.0
// A whole gateway: control and gateway.

#include "control.hpp"
#include "gateway.hpp"

custodes::Device* custodes::make_device() { return new Controlled<Gateway>; }
