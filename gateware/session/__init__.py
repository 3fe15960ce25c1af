# SPDX-License-Identifier: Apache-2.0
"""MACsec sessions: AES-GCM, associations, and frames sealed and opened at line rate."""

from .gcm import Gcm
from .session import Session

__all__ = ["Gcm", "Session"]
