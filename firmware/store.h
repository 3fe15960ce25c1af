// SPDX-License-Identifier: Apache-2.0
// What outlives a reset: the lifecycle and the items, in flash, each with an HMAC by a key that only this device has. A
// power cut at any moment leaves either what was there before or what was to be there.
#ifndef STORE_H
#define STORE_H

#include "cbor.h"
#include "hal.h"

enum { ITEMS = ITEM_SESSIONS };

void store_begin(const uint8_t key[DIGEST_BYTES]);
// The state, LIFECYCLE_BLANK where none has been written, and the provisioning digest that goes with it. False where
// something is written that this device has not written.
bool store_state(uint32_t *state, uint8_t digest[DIGEST_BYTES]);
// Lets the device be in that state from the next boot on. There is no way back: the state's flash is never erased.
bool store_advance(uint32_t state, const uint8_t digest[DIGEST_BYTES]);

// These return a status. A piece must begin where the one before has ended; one at 0 begins the item anew.
uint32_t store_piece(uint32_t item, uint32_t offset, struct span piece);
uint32_t store_commit(uint32_t item, uint32_t length, const uint8_t digest[DIGEST_BYTES]);
// What is kept of an item, its digest made from what the flash has now.
uint32_t store_digest(uint32_t item, uint32_t *length, uint8_t digest[DIGEST_BYTES]);
// The provisioning digest. The items are from then on those that `store_load` takes.
uint32_t store_provisioning(uint8_t digest[DIGEST_BYTES]);
// An item, in a buffer that the next call of any of these overwrites. False where it has changed since
// `store_provisioning`.
bool store_load(uint32_t item, struct span *data);
// No item is kept any more.
uint32_t store_erase(void);

#endif
