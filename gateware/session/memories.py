# SPDX-License-Identifier: Apache-2.0
"""What Yosys is told of a memory that is read while it is written."""

from typing import Any

NO_BYPASS: dict[str, Any] = {"no_rw_check": 1}
"""What is read then is not used: block RAM needs no logic beside it."""
DISTRIBUTED: dict[str, Any] = {"ram_style": "distributed"}
"""What is read then matters, which is uncertain in a block RAM; or it is to come out sooner than that of one does."""
BLOCK: dict[str, Any] = {"ram_style": "block"}
"""A block RAM, however little of it is used."""
