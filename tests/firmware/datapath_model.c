// SPDX-License-Identifier: Apache-2.0
// The datapath's registers for sessions, as `custodes.processor_registers` describes them.
#include <stdbool.h>
#include <string.h>

#include "hal.h"
#include "model_parts.h"

enum { KEY_COUNT = 8, BUSY_READS = 4 };

struct association_model {
    uint32_t in_use, suite, ssci, lifetime;
    uint64_t pn;
    uint32_t key[KEY_COUNT], salt[3];
};
struct channel_model {
    uint32_t in_use, address[2], sci[2], window, selected;
};
static struct {
    struct association_model associations[2][ASSOCIATIONS];
    struct channel_model channels[2][CHANNELS];
    uint32_t key[KEY_COUNT], salt[3], ssci, pn[2], lifetime, address[2], sci[2], window;
    uint32_t key_words, busy, refused, tampered, others, overwriting;
} now;

const struct association_model *datapath_model_association(uint32_t side, uint32_t number) {
    return &now.associations[side][number];
}
const struct channel_model *datapath_model_channel(uint32_t side, uint32_t number) { return &now.channels[side][number]; }
// How many writes went to registers that are not for sessions.
uint32_t datapath_model_others(void) { return now.others; }
uint32_t datapath_model_tampered(void) { return now.tampered; }
// So many loads meet another key that is just being overwritten.
void datapath_model_overwriting(uint32_t loads) { now.overwriting = loads; }

void datapath_model_reset(void) { memset(&now, 0, sizeof now); }

uint32_t datapath_model_status(void) {
    bool busy = now.busy;
    now.busy -= busy;
    return (busy ? REG_STATUS_BUSY_MASK : 0) | (now.refused ? REG_STATUS_REFUSED_MASK : 0) |
           (now.tampered ? REG_STATUS_TAMPERED_MASK : 0);
}

static bool load(struct association_model *association, uint32_t side, uint32_t suite) {
    uint64_t pn = (uint64_t)now.pn[1] << 32 | now.pn[0];
    if (now.overwriting) {
        now.overwriting--;
        return false;
    }
    if (association->in_use || now.key_words != KEY_COUNT || (!(suite & 2) && pn >> 32) || (side == SIDE_ACCELERATOR && !pn)) {
        return false;
    }
    *association = (struct association_model){1, suite, now.ssci, now.lifetime, pn, {0}, {0}};
    memcpy(association->key, now.key, sizeof now.key);
    memcpy(association->salt, now.salt, sizeof now.salt);
    return true;
}

static void carry_out(uint32_t value) {
    uint32_t number = value & REG_COMMAND_ASSOCIATION_MASK, side = value & REG_COMMAND_RECEIVE_MASK ? 1 : 0;
    struct association_model *association = &now.associations[side][number];
    struct channel_model *channel = &now.channels[side][number / ASSOCIATIONS_PER_CHANNEL];
    now.refused = 0;
    now.busy = BUSY_READS;
    switch (value >> REG_COMMAND_ORDER_SHIFT) {
    case COMMAND_LOAD:
        now.refused = !load(association, side, (value & REG_COMMAND_SUITE_MASK) >> REG_COMMAND_SUITE_SHIFT);
        break;
    case COMMAND_ZEROISE:
        memset(association, 0, sizeof *association);
        break;
    case COMMAND_CHANNEL:
        *channel = (struct channel_model){value >> 16 & 1, {now.address[0], now.address[1]}, {now.sci[0], now.sci[1]},
                                          now.window, 0};
        break;
    case COMMAND_SELECT:
        channel->selected = number % ASSOCIATIONS_PER_CHANNEL;
        break;
    case COMMAND_TAMPER:
        datapath_model_reset();
        now.tampered = 1;
        break;
    default:
        now.refused = 1;
    }
    memset(now.key, 0, sizeof now.key);
    memset(now.salt, 0, sizeof now.salt);
    now.key_words = 0;
}

void datapath_model_write(uint32_t address, uint32_t value) {
    uint32_t at = (address & 0xFFFFFF) / 4;
    if (address >= REG_KEY && address < REG_KEY + 4 * KEY_COUNT) {
        now.key[at - (REG_KEY & 0xFFFFFF) / 4] = value;
        now.key_words++;
    } else if (address >= REG_SALT && address < REG_SALT + 12) {
        now.salt[at - (REG_SALT & 0xFFFFFF) / 4] = value;
    } else if (address == REG_SSCI) {
        now.ssci = value;
    } else if (address == REG_PN || address == REG_PN + 4) {
        now.pn[address != REG_PN] = value;
    } else if (address == REG_LIFETIME) {
        now.lifetime = value;
    } else if (address == REG_ADDRESS || address == REG_ADDRESS + 4) {
        now.address[address != REG_ADDRESS] = value;
    } else if (address == REG_SCI || address == REG_SCI + 4) {
        now.sci[address != REG_SCI] = value;
    } else if (address == REG_WINDOW) {
        now.window = value;
    } else if (address == REG_COMMAND) {
        carry_out(value);
    } else {
        now.others++;
    }
}
