# SPDX-License-Identifier: Apache-2.0
"""Random numbers: noise source, health tests, conditioning, DRBG."""
