// SPDX-License-Identifier: Apache-2.0
// From reset on.
#ifndef MAIN_H
#define MAIN_H

#include <stdbool.h>

// Tests what it needs, reads the device secret, and finds out which state the device is in.
void boot(void);
// Answers a request, if there is one.
bool serve(void);

#endif
