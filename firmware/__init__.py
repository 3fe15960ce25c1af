# SPDX-License-Identifier: Apache-2.0
"""Firmware of the control CPU: C, compiled into the image of its ROM. `build` makes it."""

from firmware.image import FirmwareError, Image, build

__all__ = ["FirmwareError", "Image", "build"]
