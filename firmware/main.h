// SPDX-License-Identifier: Apache-2.0
// From reset on.
#ifndef MAIN_H
#define MAIN_H

#include <stdbool.h>
#include <stddef.h>

// Tests what it needs, reads the device secret, and finds out which state the device is in.
void boot(void);
// Answers a request, if there is one.
bool serve(void);
// Hands the first bytes of the reply to the host.
void answer(size_t size);

#endif
