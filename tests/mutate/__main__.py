# SPDX-License-Identifier: Apache-2.0
"""``python -m tests.mutate``."""

import sys

from .runner import main

sys.exit(main())
