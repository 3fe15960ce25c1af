// SPDX-License-Identifier: Apache-2.0
// A whole gateway: control and gateway.

#include "control.hpp"
#include "gateway.hpp"

namespace custodes {

using Whole = Controlled<Gateway>;

Device* make_device() { return new Whole; }

}  // namespace custodes
