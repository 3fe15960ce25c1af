# SPDX-License-Identifier: Apache-2.0
"""``python -m tests.prove``."""

import sys

from .runner import main

sys.exit(main())
