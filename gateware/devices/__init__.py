# SPDX-License-Identifier: Apache-2.0
"""Tops, one per device."""
