// SPDX-License-Identifier: Apache-2.0
// Random numbers, from the TRNG.
#ifndef RANDOM_H
#define RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A multiple of 4 bytes. False, and zeros, where there are none: alarm, or none in time.
bool random_bytes(uint8_t *output, size_t size);
// Whether a health test of the noise source has failed.
bool random_alarm(void);

#endif
