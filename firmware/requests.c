// SPDX-License-Identifier: Apache-2.0
#include "requests.h"

#include "cbor.h"
#include "hal.h"
#include "log.h"

#define VERSION "custodes 0.1.0"

size_t requests_serve(const uint8_t *request, size_t size, uint8_t *reply) {
    struct reader r = cbor_reader(request, size);
    struct writer w = cbor_writer(reply, MAILBOX_BYTES);
    cbor_array(&r, 1, 8);
    if (cbor_uint(&r, 255) == REQUEST_INFO && cbor_whole(&r)) {
        cbor_put_array(&w, 6);
        cbor_put_uint(&w, STATUS_OK);
        cbor_put_text(&w, VERSION);
        cbor_put_uint(&w, hal_read(REG_STATE));
        cbor_put_bool(&w, false);
        cbor_put_uint(&w, 0);
        cbor_put_uint(&w, 0);
    } else {
        cbor_put_array(&w, 1);
        cbor_put_uint(&w, STATUS_MALFORMED);
    }
    return (size_t)(w.at - reply);
}
