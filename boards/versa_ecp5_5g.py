# SPDX-License-Identifier: Apache-2.0
"""Lattice ECP5-5G Versa: the ECP5 Versa with an LFE5UM5G-45F."""

from dataclasses import replace

from amaranth_boards.versa_ecp5_5g import VersaECP55GPlatform

from boards import versa_ecp5

BOARD = replace(
    versa_ecp5.BOARD,
    name="versa_ecp5_5g",
    title="Lattice ECP5-5G Versa",
    platform=VersaECP55GPlatform,
    devices=("warden", "gateway", "nic"),
)
