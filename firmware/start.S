# SPDX-License-Identifier: Apache-2.0
# Reset: RAM is all zero afterwards, then main, which never returns.
    .section .start, "ax"
    .globl start
start:
    la   t0, ram_begin
    la   t1, ram_end
clear:
    sw   zero, 0(t0)
    addi t0, t0, 4
    bltu t0, t1, clear
    la   sp, ram_end
    call main
    unimp
