// SPDX-License-Identifier: Apache-2.0
// Fuzzes the firmware's whole way of a request, in each lifecycle state, guided by the edges that it has not gone yet:
//
//     fuzz SEEDS CASES SEED
//
// SEEDS: files of a device each: 4 bytes of its number of requests that lead to its state, then all requests, each with its
// length in 4 bytes. Whatever the sanitizers do not like, a request that does not end, and a reply that is none, abort; the
// case is then in the file `crash`. Prints how many cases, blocks, edges, kept inputs and replies with each
// status there were.
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hal.h"
#include "model.h"
#include "monocypher.h"

enum { EDGES = 1 << 16, MOST_INPUTS = 4096, LONGEST = MAILBOX_BYTES + 8, MOST_PREPARED = 64, MOST_DEVICES = 16 };
enum { CASES_PER_BOOT = 48, FLASH = 64 << 10, STATUSES = 16, MARK = 0x5A };

struct input {
    uint32_t size, device;
    uint8_t data[LONGEST];
};
struct device {
    uint32_t count, state;
    struct input prepared[MOST_PREPARED];
    uint8_t flash[FLASH];
};

uint8_t *flash_model_memory(void);
uint32_t model_state(void);

static uint8_t seen[EDGES], visited[EDGES];
static struct input inputs[MOST_INPUTS];
static struct device devices[MOST_DEVICES];
static uint32_t input_count, device_count, edges, blocks, ended;
static uint64_t statuses[STATUSES], random_state;
static uintptr_t previous;

// Every edge of the firmware calls this.
void __sanitizer_cov_trace_pc(void) {
    uintptr_t at = (uintptr_t)__builtin_return_address(0);
    at = (at >> 1) * 0x9E3779B1u >> 8;
    blocks += !visited[at % EDGES];
    visited[at % EDGES] = 1;
    uint8_t *edge = &seen[(at ^ previous) % EDGES];
    edges += !*edge;
    *edge = 1;
    previous = at >> 1;
}

// A signature that begins with MARK is good, so that orders are mutated behind this check too.
int fuzz_check_equation(const uint8_t signature[64], const uint8_t public_key[32], const uint8_t h[32]) {
    return signature[0] == MARK ? 0 : crypto_eddsa_check_equation(signature, public_key, h);
}

static uint32_t draw(uint32_t below) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 16) % below;
}

static void give_up(const struct input *input, const char *why) {
    FILE *file = fopen("crash", "wb");
    if (file) {
        fwrite(input->data, 1, input->size, file);
        fclose(file);
    }
    fprintf(stderr, "%s\n", why);
    abort();
}

static bool read_number(FILE *file, uint32_t *value) { return fread(value, 1, 4, file) == 4; }

static bool read_input(FILE *file, struct input *input) {
    return read_number(file, &input->size) && input->size <= LONGEST &&
           fread(input->data, 1, input->size, file) == input->size;
}

static void restart(struct device *device);

static void read_device(const char *path) {
    FILE *file = fopen(path, "rb");
    struct device *device = &devices[device_count];
    static struct input input;
    uint8_t reply[MAILBOX_BYTES];
    uint32_t size;
    if (!file || device_count == MOST_DEVICES || !read_number(file, &device->count) || device->count > MOST_PREPARED) {
        fprintf(stderr, "%s: cannot be read\n", path);
        exit(1);
    }
    memset(device->flash, 0xFF, FLASH);
    restart(device);
    for (uint32_t at = 0; at < device->count; at++) {
        if (!read_input(file, &input)) {
            exit(1);
        }
        model_request(input.data, input.size, reply, &size);
    }
    memcpy(device->flash, flash_model_memory(), FLASH);
    device->count = 0;
    while (read_input(file, &input) && input_count < MOST_INPUTS) {
        input.device = device_count;
        inputs[input_count++] = input;
        // What is asked first in each boot: who it is.
        if (device->count < 1) {
            device->prepared[device->count++] = input;
        }
    }
    fclose(file);
    restart(device);
    device->state = model_state();
    device_count++;
}

static void restart(struct device *device) {
    uint8_t secret[32], reply[MAILBOX_BYTES];
    uint32_t size;
    for (uint8_t at = 0; at < sizeof secret; at++) {
        secret[at] = at;
    }
    model_new(secret);
    memcpy(flash_model_memory(), device->flash, FLASH);
    model_boot();
    for (uint32_t at = 0; at < device->count; at++) {
        model_request(device->prepared[at].data, device->prepared[at].size, reply, &size);
    }
}

static void mutate(struct input *input) {
    for (uint32_t left = 1 + draw(4); left; left--) {
        uint32_t at = input->size ? draw(input->size) : 0, size = 1 + draw(16);
        switch (draw(9)) {
        case 0:
            input->data[at] ^= 1u << draw(8);
            break;
        case 1:
            input->data[at] = (uint8_t)draw(256);
            break;
        case 2: // The head of some other item of CBOR.
            input->data[at] = (uint8_t)(draw(8) << 5 | (draw(2) ? draw(32) : 24 + draw(4)));
            break;
        case 3: // Away with some.
            size = size > input->size - at ? input->size - at : size;
            memmove(input->data + at, input->data + at + size, input->size - at - size);
            input->size -= size;
            break;
        case 4: // Some more.
            size = input->size + size > LONGEST ? LONGEST - input->size : size;
            memmove(input->data + at + size, input->data + at, input->size - at);
            for (uint32_t more = 0; more < size; more++) {
                input->data[at + more] = (uint8_t)draw(256);
            }
            input->size += size;
            break;
        case 5: { // The rest of another.
            const struct input *other = &inputs[draw(input_count)];
            uint32_t from = other->size ? draw(other->size) : 0, rest = other->size - from;
            rest = at + rest > LONGEST ? LONGEST - at : rest;
            memcpy(input->data + at, other->data + from, rest);
            input->size = at + rest;
            break;
        }
        case 6:
            input->size = at;
            break;
        case 7: // A number that matters.
            input->data[at] = (const uint8_t[]){0, 1, 0x17, 0x18, 0x19, 0x1A, 0x1B, 0x7F, 0x80, 0xFF}[draw(10)];
            break;
        default: // A piece of it to another place.
            if (input->size > size) {
                memmove(input->data + draw(input->size - size), input->data + draw(input->size - size), size);
            }
        }
    }
}

static void look_at_reply(const struct input *input, const uint8_t *reply, uint32_t size) {
    if (size < 2 || size > MAILBOX_BYTES || (reply[0] & 0xE0) != 0x80 || reply[1] >= STATUSES ||
        (reply[1] && (size != 2 || reply[0] != 0x81))) {
        give_up(input, "a reply that is none");
    }
    statuses[reply[1]]++;
}

static void run(struct input *input) {
    uint8_t reply[MAILBOX_BYTES];
    uint32_t size;
    uint32_t before = edges;
    previous = 0;
    // Only so much memory as the request has, so that whoever reads on is caught.
    uint8_t *data = malloc(input->size ? input->size : 1);
    memcpy(data, input->data, input->size);
    int how = model_request(data, input->size, reply, &size);
    free(data);
    if (how == HUNG) {
        give_up(input, "a request that does not end, or an access that no firmware should make");
    }
    if (how == RUNNING) {
        look_at_reply(input, reply, size);
    } else {
        ended++;
    }
    if (edges > before && input_count < MOST_INPUTS) {
        inputs[input_count++] = *input;
    }
}

int main(int argc, char **argv) {
    if (argc < 4) {
        return 2;
    }
    uint64_t cases = strtoull(argv[argc - 2], NULL, 10);
    random_state = strtoull(argv[argc - 1], NULL, 10) * 2 + 1;
    for (int at = 1; at < argc - 2; at++) {
        read_device(argv[at]);
    }
    uint32_t seeds = input_count, device = 0;
    for (uint64_t number = 0; number < cases; number++) {
        static struct input input;
        // All seeds as they are, each on its own device, then mutants, on some device.
        uint32_t chosen = number < seeds ? (uint32_t)number : draw(input_count);
        // What can be asked in this state, mostly.
        for (uint32_t left = draw(16); number >= seeds && left && inputs[chosen].device != device; left--) {
            chosen = draw(input_count);
        }
        input = inputs[chosen];
        if (number < seeds ? device != input.device || !number : number % CASES_PER_BOOT == 0) {
            device = number < seeds ? input.device : draw(device_count);
            restart(&devices[device]);
        }
        if (number >= seeds) {
            if (model_state() != devices[device].state) {
                restart(&devices[device]);
            }
            mutate(&input);
            input.device = device;
        }
        run(&input);
    }
    printf("%llu cases, %u blocks, %u edges, %u inputs, %u without reply\n", (unsigned long long)cases, blocks, edges,
           input_count, ended);
    for (uint32_t status = 0; status < STATUSES; status++) {
        if (statuses[status]) {
            printf("status %u: %llu\n", status, (unsigned long long)statuses[status]);
        }
    }
    return 0;
}
