# SPDX-License-Identifier: Apache-2.0
"""``python -m custodes``."""

from custodes.cli import main

if __name__ == "__main__":
    main()
