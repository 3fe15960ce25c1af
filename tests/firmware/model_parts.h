// SPDX-License-Identifier: Apache-2.0
// What a device consists of.
#ifndef MODEL_PARTS_H
#define MODEL_PARTS_H

#include <stdint.h>

// Ends the boot or request that is under way.
_Noreturn void model_leave(int how);

void sha_model_begin(void);
void sha_model_word(uint32_t word);
uint32_t sha_model_state(uint32_t word);

void flash_model_new(void);
void flash_model_power_on(void);
void flash_model_select(uint32_t selected);
void flash_model_exchange(uint8_t byte);
uint32_t flash_model_byte(void);

// Of a gateway, while its server has no power.
void upload_model_new(void);
uint32_t upload_model_features(void);
uint32_t upload_model_state(void);
void upload_model_reset(void);
// Where what is written goes, and what is read comes from; whatever is not there ends the request.
uint32_t *upload_model_register(uint32_t address);

void datapath_model_reset(void);
uint32_t datapath_model_status(void);
void datapath_model_write(uint32_t address, uint32_t value);

#endif
