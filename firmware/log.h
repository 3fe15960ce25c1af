// SPDX-License-Identifier: Apache-2.0
// What has happened since the reset: the last LOG_ENTRIES events, in RAM.
#ifndef LOG_H
#define LOG_H

#include "cbor.h"

void log_begin(void);
void log_event(uint32_t event, uint32_t detail);
// Results of REQUEST_LOG: as many entries from number `first` on as a reply holds, and the number after these.
void log_write(struct writer *w, uint64_t first);

#endif
