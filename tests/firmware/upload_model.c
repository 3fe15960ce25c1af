// SPDX-License-Identifier: Apache-2.0
// The registers of an upload that firmware writes, as `custodes.gateway_registers` describes them.
#include <stdbool.h>
#include <string.h>

#include "hal.h"
#include "model.h"
#include "model_parts.h"

// As the registers stand, one after the other.
static struct {
    uint32_t bits[REG_UPLOAD_BITS_COUNT], digest[REG_UPLOAD_DIGEST_COUNT];
} now;
static bool there, off;

const void *upload_model_registers(void) { return &now; }
// Whether the device is a gateway.
void upload_model_there(uint32_t is) { there = is; }
uint32_t upload_model_features(void) { return there ? REG_FEATURES_UPLOAD_MASK : 0; }
// Whether the server has no power: else registers take nothing.
void upload_model_off(uint32_t is) { off = is; }
uint32_t upload_model_state(void) { return off ? MODE_OFF : MODE_SERVING; }
void upload_model_new(void) { there = off = true; }
void upload_model_reset(void) { memset(&now, 0, sizeof now); }

uint32_t *upload_model_register(uint32_t address) {
    static uint32_t dropped;
    uint32_t bit = (address - REG_UPLOAD_BITS) / 4, octet = (address - REG_UPLOAD_DIGEST) / 4;
    dropped = 0;
    if (there && bit < REG_UPLOAD_BITS_COUNT) {
        return off ? &now.bits[bit] : &dropped;
    }
    if (there && octet < REG_UPLOAD_DIGEST_COUNT) {
        return off ? &now.digest[octet] : &dropped;
    }
    model_leave(HUNG);
}
