// SPDX-License-Identifier: Apache-2.0
// Deterministic CBOR (RFC 8949, 4.2.1): unsigned integers, byte strings, text, booleans, none, arrays, the map without
// entries. Whoever reads says what must come, so that nothing nests deeper than the message's form.
#ifndef CBOR_H
#define CBOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Bytes within a message.
struct span {
    const uint8_t *at;
    size_t size;
};

// Reads from `at` up to `end`. The first thing that is not what it should be makes it `bad`, for good: what is read from
// then on is zero and empty.
struct reader {
    const uint8_t *at, *end;
    bool bad;
};

struct reader cbor_reader(const uint8_t *data, size_t size);
// A number up to `most`.
uint64_t cbor_uint(struct reader *r, uint64_t most);
// As many bytes as `least` to `most` allow; these point into the message.
struct span cbor_bytes(struct reader *r, size_t least, size_t most);
// UTF-8, its length in bytes.
struct span cbor_text(struct reader *r, size_t most);
bool cbor_bool(struct reader *r);
void cbor_none(struct reader *r);
void cbor_no_entries(struct reader *r);
// How many elements follow.
size_t cbor_array(struct reader *r, size_t least, size_t most);
// Whether all of it was as it should be, and nothing is left.
bool cbor_whole(const struct reader *r);

// Writes up to `end`; what does not fit makes it `full`, for good.
struct writer {
    uint8_t *at, *end;
    bool full;
};

struct writer cbor_writer(uint8_t *data, size_t size);
void cbor_put_uint(struct writer *w, uint64_t value);
void cbor_put_bytes(struct writer *w, const void *data, size_t size);
void cbor_put_text(struct writer *w, const char *text);
void cbor_put_bool(struct writer *w, bool value);
void cbor_put_array(struct writer *w, size_t elements);

#endif
