# SPDX-License-Identifier: Apache-2.0
"""``python -m firmware``: build the image of the ROM, say how large it is, and record its SHA-256."""

import sys

from firmware.image import RAM_BYTES, RECORD, ROM_BYTES, FirmwareError, build


def main() -> int:
    try:
        image = build()
    except FirmwareError as error:
        print(error, file=sys.stderr)
        return 1
    RECORD.write_text(f"{image.digest.hex()}\n")
    print(f"ROM: {len(image.data):,} of {ROM_BYTES:,} bytes, SHA-256 {image.digest.hex()}")
    print(f"RAM: {image.variables:,} bytes of variables and at most {image.stack:,} of stack, of {RAM_BYTES:,}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
