# SPDX-License-Identifier: Apache-2.0
"""``python -m tests.bench``."""

import sys

from .runner import main

sys.exit(main())
