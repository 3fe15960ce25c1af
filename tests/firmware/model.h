// SPDX-License-Identifier: Apache-2.0
// A device around the firmware, register by register, for tests on the host.
#ifndef MODEL_H
#define MODEL_H

#include <stdint.h>

// How a boot or a request ended.
enum { RUNNING, RAISED, POWER_CUT, HUNG };
// What the noise source does.
enum { SOURCE_GOOD, SOURCE_STUCK, SOURCE_ALARM, SOURCE_SILENT };

// A device with an erased flash, that has not been booted.
void model_new(const uint8_t secret[32]);
int model_boot(void);
// Reply and its size are valid where this is RUNNING; without a reply the size is 0.
int model_request(const uint8_t *request, uint32_t size, uint8_t *reply, uint32_t *reply_size);

#endif
