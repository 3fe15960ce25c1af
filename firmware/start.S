# SPDX-License-Identifier: Apache-2.0
# Reset. The hardware has overwritten RAM with zeros before the CPU starts.
    .section .start, "ax"
    .globl start
start:
    la   sp, ram_end
    call main
    unimp
