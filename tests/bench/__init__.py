# SPDX-License-Identifier: Apache-2.0
"""What the gateware costs and how fast everything is: ``make bench``."""
