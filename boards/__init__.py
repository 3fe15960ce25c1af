# SPDX-License-Identifier: Apache-2.0
"""Boards: pins, clocks, PHYs, and which device fits which."""
