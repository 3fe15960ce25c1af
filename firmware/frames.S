# SPDX-License-Identifier: Apache-2.0
# How functions begin and end (-msave-restore), once for all of them: one that keeps ra and the first n of s0 to s11 calls
# __riscv_save_n, with its return address in t0, and ends in __riscv_restore_n. These 13 registers have their places from the
# end of the frame downwards, and a frame is as many times 16 bytes as they need.
    .section .text.frames, "ax"
    .globl __riscv_save_0, __riscv_save_1, __riscv_save_2, __riscv_save_3, __riscv_save_4, __riscv_save_5, __riscv_save_6
    .globl __riscv_save_7, __riscv_save_8, __riscv_save_9, __riscv_save_10, __riscv_save_11, __riscv_save_12
    .globl __riscv_restore_0, __riscv_restore_1, __riscv_restore_2, __riscv_restore_3, __riscv_restore_4
    .globl __riscv_restore_5, __riscv_restore_6, __riscv_restore_7, __riscv_restore_8, __riscv_restore_9
    .globl __riscv_restore_10, __riscv_restore_11, __riscv_restore_12

# t1: what a frame is smaller than the largest.
__riscv_save_12:
    addi sp, sp, -64
    li   t1, 0
    sw   s11, 12(sp)
    j    from_s10
__riscv_save_11:
__riscv_save_10:
__riscv_save_9:
__riscv_save_8:
    addi sp, sp, -64
    li   t1, 16
from_s10:
    sw   s10, 16(sp)
    sw   s9, 20(sp)
    sw   s8, 24(sp)
    sw   s7, 28(sp)
    j    from_s6
__riscv_save_7:
__riscv_save_6:
__riscv_save_5:
__riscv_save_4:
    addi sp, sp, -64
    li   t1, 32
from_s6:
    sw   s6, 32(sp)
    sw   s5, 36(sp)
    sw   s4, 40(sp)
    sw   s3, 44(sp)
    j    from_s2
__riscv_save_3:
__riscv_save_2:
__riscv_save_1:
__riscv_save_0:
    addi sp, sp, -64
    li   t1, 48
from_s2:
    sw   s2, 48(sp)
    sw   s1, 52(sp)
    sw   s0, 56(sp)
    sw   ra, 60(sp)
    add  sp, sp, t1
    jr   t0

__riscv_restore_12:
    lw   s11, 12(sp)
    addi sp, sp, 16
__riscv_restore_11:
__riscv_restore_10:
__riscv_restore_9:
__riscv_restore_8:
    lw   s10, 0(sp)
    lw   s9, 4(sp)
    lw   s8, 8(sp)
    lw   s7, 12(sp)
    addi sp, sp, 16
__riscv_restore_7:
__riscv_restore_6:
__riscv_restore_5:
__riscv_restore_4:
    lw   s6, 0(sp)
    lw   s5, 4(sp)
    lw   s4, 8(sp)
    lw   s3, 12(sp)
    addi sp, sp, 16
__riscv_restore_3:
__riscv_restore_2:
__riscv_restore_1:
__riscv_restore_0:
    lw   s2, 0(sp)
    lw   s1, 4(sp)
    lw   s0, 8(sp)
    lw   ra, 12(sp)
    addi sp, sp, 16
    ret
