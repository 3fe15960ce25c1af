// SPDX-License-Identifier: Apache-2.0
// The life of the device, as its flash tells it and the host and the governors lead it on.
#ifndef DEVICE_H
#define DEVICE_H

#include "hal.h"
#include "items.h"

// Something cannot be: the device zeroises everything, and holds the CPU in reset.
_Noreturn void fail(void);
// Finds out which state the device is in, and enters it. Whoever has been at the flash makes it `fail`.
void device_begin(void);
uint32_t device_state(void);
// Of the items that are kept; zeros where one is not.
void device_provisioning(uint8_t digest[DIGEST_BYTES]);
const struct governors *device_governors(void);
// Whether a channel has been provisioned.
bool device_has_channel(uint32_t side, uint32_t channel);
// These return a status.
uint32_t device_lock(const uint8_t digest[DIGEST_BYTES]);
uint32_t device_activate(const uint8_t digest[DIGEST_BYTES]);
// Takes effect with the next boot, or with `device_end`.
uint32_t device_brick(void);
// Ends a device that has been bricked; once the host has its reply, as the CPU does nothing after that.
void device_end(void);

#endif
