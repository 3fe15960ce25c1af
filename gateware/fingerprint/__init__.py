# SPDX-License-Identifier: Apache-2.0
"""What has left, as a chain of records."""

from .beats import Beats
from .fingerprint import Fingerprint
from .fingerprints import Fingerprints
from .gate import Gate

__all__ = ["Beats", "Fingerprint", "Fingerprints", "Gate"]
