// SPDX-License-Identifier: Apache-2.0
#include "cbor.h"

#include "bytes.h"

// The initial byte: major type in its upper 3 bits.
enum { UNSIGNED = 0x00, BYTES = 0x40, TEXT = 0x60, ARRAY = 0x80, NO_ENTRIES = 0xA0, FALSE = 0xF4, TRUE, NONE };
enum { ONE_BYTE = 24, EIGHT_BYTES = 27 };

struct reader cbor_reader(const uint8_t *data, size_t size) { return (struct reader){data, data + size, false}; }

static size_t left(const struct reader *r) { return (size_t)(r->end - r->at); }

static uint8_t next(struct reader *r) {
    if (r->bad || r->at == r->end) {
        r->bad = true;
        return 0;
    }
    return *r->at++;
}

// The argument of the head of a major type, in its shortest encoding.
static uint64_t head(struct reader *r, uint8_t major, uint64_t least, uint64_t most) {
    uint8_t first = next(r), additional = first & 0x1F;
    uint64_t value = additional;
    if ((first & 0xE0) != major || additional > EIGHT_BYTES) {
        r->bad = true;
    } else if (additional >= ONE_BYTE) {
        uint32_t size = 1u << (additional - ONE_BYTE);
        value = 0;
        for (uint32_t at = 0; at < size; at++) {
            value = value << 8 | next(r);
        }
        // SEC_CM: MESSAGE.ONE_ENCODING
        // Not one that half as many bytes would do for.
        uint32_t high = (uint32_t)(value >> 32), low = (uint32_t)value;
        r->bad |= size == 1 ? low < ONE_BYTE : size == 2 ? low < 0x100 : size == 4 ? low < 0x10000 : !high;
    }
    r->bad |= value < least || value > most;
    return r->bad ? 0 : value;
}

uint64_t cbor_uint(struct reader *r, uint64_t most) { return head(r, UNSIGNED, 0, most); }

static struct span string(struct reader *r, uint8_t major, size_t least, size_t most) {
    size_t size = (size_t)head(r, major, least, most);
    if (r->bad || size > left(r)) {
        r->bad = true;
        return (struct span){r->end, 0};
    }
    struct span span = {r->at, size};
    r->at += size;
    return span;
}

struct span cbor_bytes(struct reader *r, size_t least, size_t most) { return string(r, BYTES, least, most); }

// RFC 3629: no longer than need be, no surrogates, nothing above U+10FFFF.
static bool is_utf8(struct span span) {
    const uint8_t *at = span.at, *end = at + span.size;
    while (at < end) {
        uint8_t first = *at++;
        uint32_t more = first < 0x80 ? 0 : first < 0xC2 ? 4 : first < 0xE0 ? 1 : first < 0xF0 ? 2 : first < 0xF5 ? 3 : 4;
        if (more > (size_t)(end - at)) {
            return false;
        }
        if (more) {
            uint8_t least = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
            uint8_t most = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
            for (; more; more--, at++, least = 0x80, most = 0xBF) {
                if (more > 3 || *at < least || *at > most) {
                    return false;
                }
            }
        }
    }
    return true;
}

struct span cbor_text(struct reader *r, size_t most) {
    struct span span = string(r, TEXT, 0, most);
    r->bad |= !is_utf8(span);
    return span;
}

bool cbor_bool(struct reader *r) {
    uint8_t value = next(r);
    r->bad |= value != FALSE && value != TRUE;
    return value == TRUE;
}

void cbor_none(struct reader *r) { r->bad |= next(r) != NONE; }

void cbor_no_entries(struct reader *r) { r->bad |= next(r) != NO_ENTRIES; }

size_t cbor_array(struct reader *r, size_t least, size_t most) { return (size_t)head(r, ARRAY, least, most); }

bool cbor_whole(const struct reader *r) { return !r->bad && r->at == r->end; }

struct writer cbor_writer(uint8_t *data, size_t size) { return (struct writer){data, data + size, false}; }

static void put(struct writer *w, const void *data, size_t size) {
    if (w->full || size > (size_t)(w->end - w->at)) {
        w->full = true;
        return;
    }
    memcpy(w->at, data, size);
    w->at += size;
}

static void put_head(struct writer *w, uint8_t major, uint64_t value) {
    uint8_t whole[8], first;
    store_be64(whole, value);
    uint32_t high = (uint32_t)(value >> 32), low = (uint32_t)value;
    uint32_t width = high ? 3 : low >= 0x10000 ? 2 : low >= 0x100 ? 1 : 0, size = 1u << width;
    if (!high && low < ONE_BYTE) {
        first = (uint8_t)(major | low);
        put(w, &first, 1);
    } else {
        first = (uint8_t)(major | (ONE_BYTE + width));
        put(w, &first, 1);
        put(w, whole + 8 - size, size);
    }
}

void cbor_put_uint(struct writer *w, uint64_t value) { put_head(w, UNSIGNED, value); }

void cbor_put_bytes(struct writer *w, const void *data, size_t size) {
    put_head(w, BYTES, size);
    put(w, data, size);
}

void cbor_put_text(struct writer *w, const char *text) {
    size_t size = 0;
    while (text[size]) {
        size++;
    }
    put_head(w, TEXT, size);
    put(w, text, size);
}

void cbor_put_bool(struct writer *w, bool value) {
    uint8_t byte = value ? TRUE : FALSE;
    put(w, &byte, 1);
}

void cbor_put_array(struct writer *w, size_t elements) { put_head(w, ARRAY, elements); }
