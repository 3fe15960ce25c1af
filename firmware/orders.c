// SPDX-License-Identifier: Apache-2.0
#include "orders.h"

#include "bytes.h"
#include "device.h"
#include "ed25519.h"
#include "identity.h"
#include "log.h"
#include "selftest.h"
#include "sessions.h"

enum { LONGEST_KIND = 32, EXTENDED = 2, LONG_KEY = 1, SHORT_KEY_BYTES = 16 };

// What all orders begin with, and how many elements have to follow by kind.
struct order {
    struct span payload, kind, identity, agreement;
    uint64_t serial;
    size_t elements;
    struct reader rest;
};
enum { COMMON = 4, ACTIVATE = COMMON + 1, INFO = COMMON + 9, INSTALL = INFO + 2, FORGET = COMMON + 3, BRICK = COMMON };

// The protected header of a signature without the number of its governor, {1: -8, 4: h'': RFC 9052, 3.1 and 8.2.
static const uint8_t PROTECTED[] = {0xA2, 0x01, 0x27, 0x04, 0x41};
enum { PROTECTED_BYTES = sizeof PROTECTED + 1 };

static uint64_t last_serial;

void orders_begin(void) { last_serial = 0; }

static bool is_kind(const struct order *order, const char *kind, size_t size) {
    return order->kind.size == size && same(order->kind.at, kind, size);
}

#define IS(order, kind) is_kind(order, kind, sizeof(kind) - 1)

static struct order read_order(struct span payload) {
    struct order order = {.payload = payload, .rest = cbor_reader(payload.at, payload.size)};
    struct reader *r = &order.rest;
    order.elements = cbor_array(r, COMMON, INSTALL);
    order.kind = cbor_text(r, LONGEST_KIND);
    order.identity = cbor_bytes(r, KEY_BYTES, KEY_BYTES);
    order.agreement = cbor_bytes(r, KEY_BYTES, KEY_BYTES);
    order.serial = cbor_uint(r, UINT64_MAX);
    return order;
}

// 4.4: what is signed is this array; the payload, with the head of a byte string, stands in the request as it does in it.
static bool is_signed(struct span payload, const uint8_t *header, const uint8_t *signature, const uint8_t *key) {
    uint8_t begin[32];
    size_t head = payload.size < 24 ? 1 : payload.size < 256 ? 2 : 3;
    struct writer w = cbor_writer(begin, sizeof begin);
    cbor_put_array(&w, 4);
    cbor_put_text(&w, "Signature1");
    cbor_put_bytes(&w, header, PROTECTED_BYTES);
    cbor_put_bytes(&w, "", 0);
    const struct span parts[] = {{begin, (size_t)(w.at - begin)}, {payload.at - head, head + payload.size}};
    bool good = ed25519_verify(signature, key, parts, 2);
    feed_watchdog();
    return good;
}

struct signature {
    const uint8_t *header, *value;
    uint32_t governor;
};

static struct signature read_signature(struct reader *r) {
    struct signature signature;
    cbor_array(r, 4, 4);
    signature.header = cbor_bytes(r, PROTECTED_BYTES, PROTECTED_BYTES).at;
    cbor_no_entries(r);
    cbor_none(r);
    signature.value = cbor_bytes(r, SIGNATURE_BYTES, SIGNATURE_BYTES).at;
    r->bad |= !r->bad && !same(signature.header, PROTECTED, sizeof PROTECTED);
    signature.governor = r->bad ? 0 : signature.header[sizeof PROTECTED];
    return signature;
}

// Whether as many governors as must have signed; any wrong signature is one too many.
static uint32_t check_signatures(struct span payload, const struct signature *signatures, size_t count) {
    const struct governors *governors = device_governors();
    uint32_t status = selftest_need(1 << SELF_TEST_SHA512 | 1 << SELF_TEST_ED25519_VERIFY), seen = 0;
    if (status != STATUS_OK) {
        return status;
    }
    // SEC_CM: ORDER.THRESHOLD
    if (count < governors->threshold || !governors->threshold) {
        return STATUS_UNSIGNED;
    }
    for (size_t at = 0; at < count; at++) {
        const struct signature *one = &signatures[at];
        // SEC_CM: ORDER.SIGNED_ONCE_EACH
        if (one->governor >= governors->count || seen >> one->governor & 1 ||
            !is_signed(payload, one->header, one->value, governors->keys[one->governor])) {
            return STATUS_UNSIGNED;
        }
        seen |= 1u << one->governor;
    }
    return STATUS_OK;
}

static void read_association(struct reader *r, struct association *association) {
    association->side = (uint32_t)cbor_uint(r, SIDE_NETWORK);
    association->channel = (uint32_t)cbor_uint(r, CHANNELS - 1);
    association->an = (uint32_t)cbor_uint(r, ASSOCIATIONS_PER_CHANNEL - 1);
}

static uint32_t place(const struct association *association) {
    return ASSOCIATIONS * association->side + ASSOCIATIONS_PER_CHANNEL * association->channel + association->an;
}

// The arguments of an order that installs a key.
struct install {
    struct association association;
    bool selected;
    struct span info, encapsulated, sealed;
};

static void read_install(struct reader *r, struct span payload, struct install *install) {
    struct association *association = &install->association;
    read_association(r, association);
    association->suite = (uint32_t)cbor_uint(r, SUITE_GCM_AES_XPN_256);
    bool extended = association->suite & EXTENDED;
    association->pn = cbor_uint(r, extended ? UINT64_MAX : UINT32_MAX);
    association->ssci = (uint32_t)cbor_uint(r, extended ? UINT32_MAX : 0);
    struct span salt = cbor_bytes(r, extended ? SALT_BYTES : 0, extended ? SALT_BYTES : 0);
    memset(association->salt, 0, SALT_BYTES);
    memcpy(association->salt, salt.at, salt.size);
    association->lifetime = (uint32_t)cbor_uint(r, UINT32_MAX);
    install->selected = cbor_bool(r);
    // Behind the array's head, which counts more elements than that of the info does.
    install->info = (struct span){payload.at + 1, (size_t)(r->at - payload.at) - 1};
    install->encapsulated = cbor_bytes(r, ENCAPSULATED_BYTES, ENCAPSULATED_BYTES);
    install->sealed = cbor_bytes(r, SEALED_KEY_BYTES, SEALED_KEY_BYTES);
}

static uint32_t open_key(const struct install *install, uint8_t key[KEY_BYTES]) {
    static const uint8_t head = 0x80 | INFO, zero[KEY_BYTES - SHORT_KEY_BYTES];
    const struct span info[] = {{&head, 1}, install->info};
    uint32_t status = selftest_need(1 << SELF_TEST_SHA256 | 1 << SELF_TEST_HKDF | 1 << SELF_TEST_AES_GCM |
                                    1 << SELF_TEST_X25519 | 1 << SELF_TEST_HPKE);
    if (status != STATUS_OK) {
        return status;
    }
    // SEC_CM: KEY.WRAPPED
    if (!identity_open(key, install->encapsulated.at, info, 2, install->sealed.at, install->sealed.size)) {
        return STATUS_UNSEALED;
    }
    bool fits = install->association.suite & LONG_KEY || same(key + SHORT_KEY_BYTES, zero, sizeof zero);
    return fits ? STATUS_OK : STATUS_UNSEALED;
}

static uint32_t carry_out_install(const struct install *install) {
    const struct association *association = &install->association;
    uint8_t key[KEY_BYTES];
    if (!device_has_channel(association->side, association->channel)) {
        return STATUS_ABSENT;
    }
    uint32_t status = open_key(install, key);
    if (status == STATUS_OK && !association_load(association, key)) {
        status = STATUS_REFUSED;
    }
    crypto_wipe(key, sizeof key);
    if (status != STATUS_OK) {
        return status;
    }
    log_event(EVENT_KEY_INSTALLED, place(association));
    bool selects = install->selected && association->side == SIDE_ACCELERATOR;
    return !selects || association_select(association) ? STATUS_OK : STATUS_REFUSED;
}

static uint32_t carry_out_zeroise(const struct association *association) {
    if (!association_zeroise(association)) {
        return STATUS_REFUSED;
    }
    log_event(EVENT_ZEROISED, place(association));
    return STATUS_OK;
}

uint32_t orders_serve(struct reader *arguments) {
    struct signature signatures[MAX_GOVERNORS];
    struct order order = read_order(cbor_bytes(arguments, 0, MAILBOX_BYTES));
    size_t count = cbor_array(arguments, 0, MAX_GOVERNORS);
    for (size_t at = 0; at < count; at++) {
        signatures[at] = read_signature(arguments);
    }
    struct reader *r = &order.rest;
    if (!cbor_whole(arguments) || r->bad) {
        return STATUS_MALFORMED;
    }

    struct install install = {0};
    struct span digest = {0};
    bool activates = IS(&order, TEXT_ACTIVATE), installs = IS(&order, TEXT_KEY);
    bool zeroises = IS(&order, TEXT_ZEROISE), bricks = IS(&order, TEXT_BRICK);
    size_t elements = activates ? ACTIVATE : installs ? INSTALL : zeroises ? FORGET : BRICK;
    if (activates) {
        digest = cbor_bytes(r, DIGEST_BYTES, DIGEST_BYTES);
    } else if (installs) {
        read_install(r, order.payload, &install);
    } else if (zeroises) {
        read_association(r, &install.association);
    } else if (!bricks) {
        return STATUS_UNKNOWN;
    }
    if (!cbor_whole(r) || order.elements != elements) {
        return STATUS_MALFORMED;
    }
    bool operational = device_state() == LIFECYCLE_OPERATIONAL;
    // SEC_CM: ORDER.STATE
    if (activates ? operational : !bricks && !operational) {
        return STATUS_FORBIDDEN;
    }
    // SEC_CM: ORDER.DEVICE_AND_BOOT
    // SEC_CM: ORDER.SERIAL
    if (!identity_is(order.identity.at, order.agreement.at) || order.serial <= last_serial) {
        return STATUS_REPLAYED;
    }
    uint32_t status = check_signatures(order.payload, signatures, count);
    if (status != STATUS_OK) {
        return status;
    }
    last_serial = order.serial;
    return activates  ? device_activate(digest.at)
           : installs ? carry_out_install(&install)
           : zeroises ? carry_out_zeroise(&install.association)
                      : device_brick();
}
