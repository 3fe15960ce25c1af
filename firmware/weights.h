// SPDX-License-Identifier: Apache-2.0
// Which weights the server of a gateway is to get.
#ifndef WEIGHTS_H
#define WEIGHTS_H

#include "cbor.h"

// Tells the datapath which weights are to come: the arguments of REQUEST_ANNOUNCE -> status.
uint32_t weights_serve(struct reader *arguments);

#endif
