// SPDX-License-Identifier: Apache-2.0
#include "store.h"

#include "bytes.h"
#include "flash.h"
#include "items.h"
#include "sha256.h"

// Records: what it is, which, two numbers, a digest, the HMAC of all that. Little-endian.
enum { KIND = 0, WHICH = 4, FIRST = 8, SECOND = 12, DIGEST = 16, TAG = DIGEST + DIGEST_BYTES, RECORD_BYTES = TAG + SHA256_BYTES };
enum { STATE_RECORD = 0x4C535543, ITEM_RECORD = 0x49535543 };

// The first two sectors are a row of slots, each used once: a record of the state, and then the word that makes it valid.
enum { SLOT_BYTES = 128, SLOTS = 2 * FLASH_SECTOR / SLOT_BYTES, MARK = RECORD_BYTES };
// Two sectors for each item, of which one is kept while the other is written: its record, and from the next page on itself.
enum { COPIES = 2, CONTENT = FLASH_PAGE };
enum { NONE = 0 };

// Where an item is.
struct place {
    uint32_t address, generation, length;
    uint8_t digest[DIGEST_BYTES];
};

static uint8_t key[DIGEST_BYTES];
static uint8_t buffer[MAX_ITEM_BYTES];
static uint8_t provisioned[ITEMS][DIGEST_BYTES];
// The item that is being written, where, and how much of it is there.
static uint32_t staged, staged_address, staged_size;

void store_begin(const uint8_t new_key[DIGEST_BYTES]) {
    memcpy(key, new_key, sizeof key);
    staged = NONE;
}

static void tag(uint8_t output[SHA256_BYTES], const uint8_t record[RECORD_BYTES]) {
    hmac_begin(key, sizeof key);
    sha256_update(record, TAG);
    hmac_end(output, key, sizeof key);
}

// SEC_CM: STORE.AUTHENTICATED
static bool is_good(const uint8_t record[RECORD_BYTES], uint32_t kind, uint32_t which) {
    uint8_t wanted[SHA256_BYTES];
    tag(wanted, record);
    return load_le32(record + KIND) == kind && load_le32(record + WHICH) == which &&
           same(wanted, record + TAG, SHA256_BYTES);
}

static bool write_record(
    uint32_t address, uint32_t kind, uint32_t which, uint32_t first, uint32_t second, const uint8_t digest[DIGEST_BYTES]
) {
    uint8_t record[RECORD_BYTES];
    store_le32(record + KIND, kind);
    store_le32(record + WHICH, which);
    store_le32(record + FIRST, first);
    store_le32(record + SECOND, second);
    memcpy(record + DIGEST, digest, DIGEST_BYTES);
    tag(record + TAG, record);
    return flash_write(address, record, sizeof record);
}

// A record without its word was being written when the power went, and counts for nothing. With it, even in part, it had been
// read back whole: if it is not good now, someone else has been at it.
bool store_state(uint32_t *state, uint8_t digest[DIGEST_BYTES]) {
    *state = LIFECYCLE_BLANK;
    memset(digest, 0, DIGEST_BYTES);
    for (uint32_t slot = 0; slot < SLOTS && !flash_is_erased(SLOT_BYTES * slot, SLOT_BYTES); slot++) {
        uint8_t record[RECORD_BYTES];
        if (flash_is_erased(SLOT_BYTES * slot + MARK, 4)) {
            continue;
        }
        flash_read(SLOT_BYTES * slot, record, sizeof record);
        if (!is_good(record, STATE_RECORD, slot)) {
            return false;
        }
        *state = load_le32(record + FIRST);
        memcpy(digest, record + DIGEST, DIGEST_BYTES);
    }
    return true;
}

bool store_advance(uint32_t state, const uint8_t digest[DIGEST_BYTES]) {
    static const uint8_t mark[4];
    uint32_t slot = 0;
    while (slot < SLOTS && !flash_is_erased(SLOT_BYTES * slot, SLOT_BYTES)) {
        slot++;
    }
    return slot < SLOTS && write_record(SLOT_BYTES * slot, STATE_RECORD, slot, state, 0, digest) &&
           flash_write(SLOT_BYTES * slot + MARK, mark, sizeof mark);
}

static uint32_t copy_address(uint32_t item, uint32_t copy) { return FLASH_SECTOR * (COPIES * item + copy); }

// The newest good copy of an item.
static bool find(uint32_t item, struct place *place) {
    bool found = false;
    for (uint32_t copy = 0; copy < COPIES; copy++) {
        uint8_t record[RECORD_BYTES];
        uint32_t address = copy_address(item, copy);
        flash_read(address, record, sizeof record);
        uint32_t generation = load_le32(record + FIRST), length = load_le32(record + SECOND);
        if (is_good(record, ITEM_RECORD, item) && length <= MAX_ITEM_BYTES && (!found || generation > place->generation)) {
            found = true;
            *place = (struct place){.address = address, .generation = generation, .length = length};
            memcpy(place->digest, record + DIGEST, DIGEST_BYTES);
        }
    }
    return found;
}

uint32_t store_piece(uint32_t item, uint32_t offset, struct span piece) {
    struct place place;
    if (offset == 0) {
        uint32_t current = find(item, &place) && place.address == copy_address(item, 0);
        staged = NONE;
        staged_address = copy_address(item, current);
        staged_size = 0;
        if (!flash_erase(staged_address)) {
            return STATUS_STORE_FAILED;
        }
        staged = item;
    }
    if (staged != item || offset != staged_size || piece.size > MAX_ITEM_BYTES - offset) {
        return STATUS_MISMATCH;
    }
    while (piece.size) {
        uint32_t address = staged_address + CONTENT + staged_size, room = FLASH_PAGE - address % FLASH_PAGE;
        uint32_t size = piece.size < room ? (uint32_t)piece.size : room;
        if (!flash_write(address, piece.at, size)) {
            staged = NONE;
            return STATUS_STORE_FAILED;
        }
        piece.at += size;
        piece.size -= size;
        staged_size += size;
    }
    return STATUS_OK;
}

// What is at an address, into the buffer; whether that has a digest.
static bool load(uint32_t address, uint32_t length, const uint8_t digest[DIGEST_BYTES]) {
    uint8_t found[DIGEST_BYTES];
    flash_read(address + CONTENT, buffer, length);
    sha256(found, buffer, length);
    return same(found, digest, DIGEST_BYTES);
}

uint32_t store_commit(uint32_t item, uint32_t length, const uint8_t digest[DIGEST_BYTES]) {
    struct place place;
    if (staged != item || length != staged_size || !load(staged_address, length, digest)) {
        return STATUS_MISMATCH;
    }
    if (!item_is_good(item, (struct span){buffer, length})) {
        return STATUS_MALFORMED;
    }
    staged = NONE;
    uint32_t generation = find(item, &place) ? place.generation + 1 : 0;
    bool kept = write_record(staged_address, ITEM_RECORD, item, generation, length, digest);
    return kept ? STATUS_OK : STATUS_STORE_FAILED;
}

uint32_t store_digest(uint32_t item, uint32_t *length, uint8_t digest[DIGEST_BYTES]) {
    struct place place;
    if (!find(item, &place)) {
        return STATUS_ABSENT;
    }
    *length = place.length;
    sha256_begin();
    flash_hash(place.address + CONTENT, place.length);
    sha256_end(digest);
    return same(digest, place.digest, DIGEST_BYTES) ? STATUS_OK : STATUS_MISMATCH;
}

uint32_t store_provisioning(uint8_t digest[DIGEST_BYTES]) {
    uint8_t encoded[1 + ITEMS * (2 + DIGEST_BYTES)];
    struct writer w = cbor_writer(encoded, sizeof encoded);
    cbor_put_array(&w, ITEMS);
    for (uint32_t item = 1; item <= ITEMS; item++) {
        uint32_t length, status = store_digest(item, &length, provisioned[item - 1]);
        if (status != STATUS_OK) {
            memset(digest, 0, DIGEST_BYTES);
            return status;
        }
        cbor_put_bytes(&w, provisioned[item - 1], DIGEST_BYTES);
    }
    sha256(digest, encoded, sizeof encoded);
    return STATUS_OK;
}

bool store_load(uint32_t item, struct span *data) {
    struct place place;
    bool good = find(item, &place) && load(place.address, place.length, provisioned[item - 1]);
    *data = (struct span){buffer, good ? place.length : 0};
    return good;
}

uint32_t store_erase(void) {
    bool good = true;
    staged = NONE;
    for (uint32_t item = 1; item <= ITEMS; item++) {
        // The older copy first, or else it would be the newest in between.
        struct place place;
        uint32_t newer = find(item, &place) && place.address == copy_address(item, 1);
        good &= flash_erase(copy_address(item, !newer));
        good &= flash_erase(copy_address(item, newer));
    }
    return good ? STATUS_OK : STATUS_STORE_FAILED;
}
