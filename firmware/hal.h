// SPDX-License-Identifier: Apache-2.0
// How firmware reaches the hardware: registers, by their addresses in the generated registers.h. A build for the host puts
// a model of the device behind these two functions.
#ifndef HAL_H
#define HAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "registers.h"

// Where the CPU sees the registers that the host sees: word address 0.
#define MAP_BASE 0x30000000u

#ifdef HOST
uint32_t hal_read(uint32_t address);
void hal_write(uint32_t address, uint32_t value);
#else
static inline uint32_t hal_read(uint32_t address) { return *(volatile const uint32_t *)address; }
static inline void hal_write(uint32_t address, uint32_t value) { *(volatile uint32_t *)address = value; }
#endif

// What is executed, whole blocks of SHA-256.
extern const uint8_t rom_begin[], rom_end[];

static inline void feed_watchdog(void) { hal_write(REG_WATCHDOG, WATCHDOG_FEED_VALUE); }

#endif
