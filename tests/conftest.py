# SPDX-License-Identifier: Apache-2.0
"""What is so for every test."""

import gc

gc.set_threshold(100_000, 50, 100)
"""A design is a great many objects that stay: to look for garbage among them as often as usual takes half of the time."""
