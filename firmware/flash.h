// SPDX-License-Identifier: Apache-2.0
// The SPI flash: the last FLASH_BYTES of a NOR part with sectors of 4 KB and addresses of 3 bytes.
#ifndef FLASH_H
#define FLASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FLASH_BYTES = 64 << 10, FLASH_SECTOR = 4 << 10, FLASH_PAGE = 256 };

// Asks the part who it is and how large; false where it does not say. Before all else.
// `spoil`: it is not selected, and so does not say.
bool flash_begin(bool spoil);
// Addresses count from the beginning of the part's last FLASH_BYTES. None of these passes the end.
void flash_read(uint32_t address, void *data, size_t size);
// As `flash_read`, into the hash function.
void flash_hash(uint32_t address, size_t size);
// Whether only ones are there.
bool flash_is_erased(uint32_t address, size_t size);
// These are true where what was asked for is then read back. What is written must be within a page.
bool flash_write(uint32_t address, const void *data, size_t size);
bool flash_erase(uint32_t sector_address);

#endif
