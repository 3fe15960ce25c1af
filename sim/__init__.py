# SPDX-License-Identifier: Apache-2.0
"""Running the hardware without hardware."""
