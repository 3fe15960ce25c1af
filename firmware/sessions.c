// SPDX-License-Identifier: Apache-2.0
#include "sessions.h"

#include "bytes.h"

// Reads of the status; all keys are overwritten in far fewer.
enum { PATIENCE = 1 << 20 };
enum { CHANNEL_IN_USE = 1 << 16 };
// Of a load: it is refused, too, if another key comes to its end while it is being written, and has to be overwritten.
enum { ATTEMPTS = 3 };

static bool settle(void) {
    for (uint32_t look = 0; look < PATIENCE; look++) {
        uint32_t status = hal_read(REG_STATUS);
        if (!(status & REG_STATUS_BUSY_MASK)) {
            return !(status & (REG_STATUS_REFUSED_MASK | REG_STATUS_TAMPERED_MASK));
        }
    }
    return false;
}

// Once nothing is under way any more: what is written for a command while a key is being loaded is lost.
static void begin(void) { settle(); }

static bool command(uint32_t order, uint32_t side, uint32_t number, uint32_t more) {
    uint32_t receive = side == SIDE_NETWORK ? REG_COMMAND_RECEIVE_MASK : 0;
    hal_write(REG_COMMAND, order << REG_COMMAND_ORDER_SHIFT | more | receive | number);
    return settle();
}

void datapath_put(uint32_t reg, const uint8_t *data, size_t size) {
    for (size_t at = 0; at < size; at += 4) {
        hal_write(reg + at, load_le32(data + at));
    }
}

static uint32_t number(const struct association *association) {
    return ASSOCIATIONS_PER_CHANNEL * association->channel + association->an;
}

bool channel_set(const struct channel *channel) {
    begin();
    datapath_put(REG_ADDRESS, channel->address, SCI_BYTES);
    datapath_put(REG_SCI, channel->sci, SCI_BYTES);
    hal_write(REG_WINDOW, channel->window);
    return command(COMMAND_CHANNEL, channel->side, ASSOCIATIONS_PER_CHANNEL * channel->number, CHANNEL_IN_USE);
}

static bool load(const struct association *association, const uint8_t key[KEY_BYTES]) {
    begin();
    datapath_put(REG_KEY, key, KEY_BYTES);
    datapath_put(REG_SALT, association->salt, SALT_BYTES);
    hal_write(REG_SSCI, association->ssci);
    hal_write(REG_PN, (uint32_t)association->pn);
    hal_write(REG_PN + 4, (uint32_t)(association->pn >> 32));
    hal_write(REG_LIFETIME, association->lifetime);
    return command(COMMAND_LOAD, association->side, number(association), association->suite << REG_COMMAND_SUITE_SHIFT);
}

bool association_load(const struct association *association, const uint8_t key[KEY_BYTES]) {
    for (uint32_t attempt = 0; attempt < ATTEMPTS; attempt++) {
        if (load(association, key)) {
            return true;
        }
    }
    return false;
}

bool association_select(const struct association *association) {
    begin();
    return command(COMMAND_SELECT, association->side, number(association), 0);
}

bool association_zeroise(const struct association *association) {
    begin();
    return command(COMMAND_ZEROISE, association->side, number(association), 0);
}

void datapath_stop(void) { hal_write(REG_COMMAND, COMMAND_TAMPER << REG_COMMAND_ORDER_SHIFT); }
