# SPDX-License-Identifier: Apache-2.0
"""The hardware: one folder per unit, each with a README."""
