// SPDX-License-Identifier: Apache-2.0
// What the host asks for, and what it is told.
#ifndef REQUESTS_H
#define REQUESTS_H

#include <stddef.h>
#include <stdint.h>

// Carries out a request; returns the length of the reply, of at most MAILBOX_BYTES.
size_t requests_serve(const uint8_t *request, size_t size, uint8_t *reply);

#endif
