// SPDX-License-Identifier: Apache-2.0
// Orders of the governors.
#ifndef ORDERS_H
#define ORDERS_H

#include "cbor.h"

void orders_begin(void);
// Carries out the order that the arguments of a REQUEST_ORDER are; returns a status.
uint32_t orders_serve(struct reader *arguments);

#endif
