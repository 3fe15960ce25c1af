// SPDX-License-Identifier: Apache-2.0
// Goes behind sim/nic.cpp or sim/sng.cpp: a mode register is written from outside.

namespace {

constexpr unsigned kSettleCycles = 8;

}  // namespace

extern "C" {

// After a reset, puts `value` into mode register `number`, with one edge of its clock; 0 is none. Returns how many cycles of
// the control, each with two of the datapath, it then takes until the lifecycle state is `tampered`; -1: more than `limit`.
int32_t custodes_flip(custodes::Device* device, uint32_t number, uint32_t value, uint32_t datapath, uint32_t tampered,
                      uint32_t limit) {
    auto& d = static_cast<custodes::Whole&>(*device);
    d.reset();
    const auto step = [&] {
        d.step_control();
        for (unsigned i = 0; i < custodes::kDatapathCycles; i++) d.step_datapath();
    };
    for (unsigned i = 0; i < kSettleCycles; i++) step();
    if (d.top->state == tampered) return -1;
    d.top->flip_number = number;
    d.top->flip_value = value;
    if (datapath) {
        d.step_datapath();
    } else {
        d.step_control();
    }
    d.top->flip_number = 0;
    for (uint32_t cycle = 1; cycle <= limit; cycle++) {
        step();
        if (d.top->state == tampered) return int32_t(cycle);
    }
    return -1;
}
}
