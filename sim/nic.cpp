// SPDX-License-Identifier: Apache-2.0
// A whole processor: control and the datapath of a processor.

#include "control.hpp"

namespace custodes {

using Whole = Controlled<Device>;

Device* make_device() { return new Whole; }

}  // namespace custodes
