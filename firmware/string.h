// SPDX-License-Identifier: Apache-2.0
// For the libraries: there is no C library for the control CPU.
#ifndef STRING_H
#define STRING_H

#include "bytes.h"

#endif
