// SPDX-License-Identifier: Apache-2.0
// Known-answer tests. One that fails leads into the error state: every secret is wiped, the datapath stops, and until the
// reset nothing is done any more.
#ifndef SELFTEST_H
#define SELFTEST_H

#include "hal.h"

enum { ALL_TESTS = (1 << (SELF_TEST_FLASH + 1)) - 1 };

void selftest_begin(void);
// Runs those of the tests, by their bits, that have not passed yet. Returns a status.
uint32_t selftest_need(uint32_t tests);
// Runs these again. `spoiled`: each of these gets something else to work on than its known answer belongs to.
uint32_t selftest_run(uint32_t tests, uint32_t spoiled);
uint32_t selftest_passed(void);
uint32_t selftest_failed(void);
// The SHA-256 that the ROM had in its test.
const uint8_t *selftest_measured(void);

#endif
