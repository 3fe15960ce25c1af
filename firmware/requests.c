// SPDX-License-Identifier: Apache-2.0
#include "requests.h"

#include "bytes.h"
#include "cbor.h"
#include "device.h"
#include "hal.h"
#include "identity.h"
#include "log.h"
#include "orders.h"
#include "selftest.h"
#include "store.h"
#include "weights.h"

#define VERSION "custodes 0.1.0"

// In which states a request is carried out.
enum { BLANK = 1, LOCKED = 2, ERROR = 4 };

// How many arguments and results a request has, by its number.
struct form {
    uint8_t arguments, results, states;
};
static const struct form FORMS[] = {
    [REQUEST_INFO] = {0, 5, BLANK | LOCKED | ERROR},
    [REQUEST_IDENTIFY] = {1, 3, BLANK | LOCKED},
    [REQUEST_STORE] = {3, 0, BLANK},
    [REQUEST_COMMIT] = {3, 0, BLANK},
    [REQUEST_DIGEST] = {1, 2, BLANK | LOCKED},
    [REQUEST_LOCK] = {1, 0, BLANK},
    [REQUEST_ORDER] = {2, 0, LOCKED},
    [REQUEST_SELFTEST] = {2, 2, BLANK | LOCKED | ERROR},
    [REQUEST_LOG] = {1, 2, BLANK | LOCKED | ERROR},
    [REQUEST_ERASE] = {0, 0, BLANK},
    [REQUEST_ANNOUNCE] = {1, 0, LOCKED},
};
enum { REQUESTS = sizeof FORMS / sizeof *FORMS };

static void put_register(struct writer *w, uint32_t reg) {
    uint8_t digest[DIGEST_BYTES];
    for (uint32_t at = 0; at < DIGEST_BYTES; at += 4) {
        store_le32(digest + at, hal_read(reg + at));
    }
    cbor_put_bytes(w, digest, sizeof digest);
}

static void info(struct writer *w) {
    cbor_put_text(w, VERSION);
    cbor_put_uint(w, device_state());
    cbor_put_bool(w, selftest_failed());
    cbor_put_uint(w, selftest_passed());
    cbor_put_uint(w, selftest_failed());
}

static uint32_t identify(struct reader *r, struct writer *w) {
    uint8_t claim[384], signature[SIGNATURE_BYTES], digest[DIGEST_BYTES];
    struct span challenge = cbor_bytes(r, CHALLENGE_BYTES, CHALLENGE_BYTES);
    if (!cbor_whole(r)) {
        return STATUS_MALFORMED;
    }
    uint32_t status = identity_prepare();
    if (status != STATUS_OK) {
        return status;
    }
    struct writer c = cbor_writer(claim, sizeof claim);
    cbor_put_array(&c, 9);
    cbor_put_text(&c, TEXT_IDENTITY_CONTEXT);
    cbor_put_bytes(&c, challenge.at, challenge.size);
    cbor_put_bytes(&c, identity_key(), KEY_BYTES);
    cbor_put_bytes(&c, agreement_key(), KEY_BYTES);
    cbor_put_uint(&c, device_state());
    put_register(&c, REG_MAP_DIGEST);
    put_register(&c, REG_BUILD_ID);
    put_register(&c, REG_ROM_DIGEST);
    device_provisioning(digest);
    cbor_put_bytes(&c, digest, sizeof digest);
    identity_sign(signature, claim, (size_t)(c.at - claim));
    cbor_put_bytes(w, identity_key(), KEY_BYTES);
    cbor_put_bytes(w, agreement_key(), KEY_BYTES);
    cbor_put_bytes(w, signature, sizeof signature);
    return STATUS_OK;
}

static uint32_t store(struct reader *r) {
    uint32_t item = (uint32_t)cbor_uint(r, UINT32_MAX), offset = (uint32_t)cbor_uint(r, MAX_ITEM_BYTES);
    struct span piece = cbor_bytes(r, 1, MAX_PIECE_BYTES);
    if (!cbor_whole(r)) {
        return STATUS_MALFORMED;
    }
    return item && item <= ITEMS ? store_piece(item, offset, piece) : STATUS_UNKNOWN;
}

static uint32_t commit(struct reader *r) {
    uint32_t item = (uint32_t)cbor_uint(r, UINT32_MAX), length = (uint32_t)cbor_uint(r, MAX_ITEM_BYTES);
    struct span digest = cbor_bytes(r, DIGEST_BYTES, DIGEST_BYTES);
    if (!cbor_whole(r)) {
        return STATUS_MALFORMED;
    }
    uint32_t status = item && item <= ITEMS ? store_commit(item, length, digest.at) : STATUS_UNKNOWN;
    if (status == STATUS_OK) {
        log_event(EVENT_STORED, item);
    }
    return status;
}

static uint32_t digest(struct reader *r, struct writer *w) {
    uint8_t kept[DIGEST_BYTES];
    uint32_t length, item = (uint32_t)cbor_uint(r, UINT32_MAX);
    if (!cbor_whole(r)) {
        return STATUS_MALFORMED;
    }
    uint32_t status = item && item <= ITEMS ? store_digest(item, &length, kept) : STATUS_UNKNOWN;
    if (status == STATUS_OK) {
        cbor_put_uint(w, length);
        cbor_put_bytes(w, kept, sizeof kept);
    }
    return status;
}

static uint32_t lock(struct reader *r) {
    struct span digest = cbor_bytes(r, DIGEST_BYTES, DIGEST_BYTES);
    return cbor_whole(r) ? device_lock(digest.at) : STATUS_MALFORMED;
}

static uint32_t selftest(struct reader *r, struct writer *w) {
    uint32_t tests = (uint32_t)cbor_uint(r, UINT32_MAX), spoiled = (uint32_t)cbor_uint(r, UINT32_MAX);
    if (!cbor_whole(r)) {
        return STATUS_MALFORMED;
    }
    if ((tests | spoiled) & ~(uint32_t)ALL_TESTS) {
        return STATUS_UNKNOWN;
    }
    if (spoiled && device_state() != LIFECYCLE_BLANK) {
        return STATUS_FORBIDDEN;
    }
    if (tests && selftest_failed()) {
        return STATUS_ERROR_STATE;
    }
    // That it fails now is a result like any other.
    if (selftest_run(tests, spoiled) == STATUS_NO_RANDOM) {
        return STATUS_NO_RANDOM;
    }
    cbor_put_uint(w, selftest_passed());
    cbor_put_uint(w, selftest_failed());
    return STATUS_OK;
}

static uint32_t show_log(struct reader *r, struct writer *w) {
    uint64_t first = cbor_uint(r, UINT64_MAX);
    if (!cbor_whole(r)) {
        return STATUS_MALFORMED;
    }
    log_write(w, first);
    return STATUS_OK;
}

static uint32_t erase(void) {
    uint32_t status = store_erase();
    if (status == STATUS_OK) {
        log_event(EVENT_ERASED, 0);
    }
    return status;
}

static uint32_t carry_out(uint32_t request, struct reader *r, struct writer *w) {
    switch (request) {
    case REQUEST_INFO:
        info(w);
        return STATUS_OK;
    case REQUEST_IDENTIFY:
        return identify(r, w);
    case REQUEST_STORE:
        return store(r);
    case REQUEST_COMMIT:
        return commit(r);
    case REQUEST_DIGEST:
        return digest(r, w);
    case REQUEST_LOCK:
        return lock(r);
    case REQUEST_ORDER:
        return orders_serve(r);
    case REQUEST_SELFTEST:
        return selftest(r, w);
    case REQUEST_LOG:
        return show_log(r, w);
    case REQUEST_ANNOUNCE:
        return weights_serve(r);
    default:
        return erase();
    }
}

static uint32_t checked(uint32_t request, size_t elements, struct reader *r, struct writer *w) {
    if (!request || request >= REQUESTS) {
        return STATUS_UNKNOWN;
    }
    const struct form *form = &FORMS[request];
    if (elements != 1u + form->arguments || (!form->arguments && !cbor_whole(r))) {
        return STATUS_MALFORMED;
    }
    if (selftest_failed() && !(form->states & ERROR)) {
        return STATUS_ERROR_STATE;
    }
    if (!selftest_failed() && !(form->states & (device_state() == LIFECYCLE_BLANK ? BLANK : LOCKED))) {
        return STATUS_FORBIDDEN;
    }
    cbor_put_array(w, 1u + form->results);
    cbor_put_uint(w, STATUS_OK);
    return carry_out(request, r, w);
}

size_t requests_serve(const uint8_t *request, size_t size, uint8_t *reply) {
    struct reader r = cbor_reader(request, size);
    struct writer w = cbor_writer(reply, MAILBOX_BYTES);
    size_t elements = cbor_array(&r, 1, UINT8_MAX);
    uint32_t number = (uint32_t)cbor_uint(&r, UINT32_MAX);
    uint32_t status = r.bad ? STATUS_MALFORMED : checked(number, elements, &r, &w);
    if (status != STATUS_OK) {
        log_event(EVENT_REJECTED, (number < REQUESTS ? number : 0) << 8 | status);
        w = cbor_writer(reply, MAILBOX_BYTES);
        cbor_put_array(&w, 1);
        cbor_put_uint(&w, status);
    }
    return (size_t)(w.at - reply);
}
