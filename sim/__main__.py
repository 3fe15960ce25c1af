# SPDX-License-Identifier: Apache-2.0
"""``python -m sim [--device nic] [--lanes 1 8 64] [--trace]``: build simulated devices and install them into this
environment."""

import argparse
import multiprocessing
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from custodes.simlink import LANES, lanes_of
from sim.build import DEVICES, BuildError, Target, build

CACHE = Path(__file__).parent.parent / "build" / "sim"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m sim", description="Build the simulated devices.")
    parser.add_argument("--device", nargs="+", choices=DEVICES, default=DEVICES, help="which (default: all)")
    parser.add_argument("--lanes", type=int, nargs="+", choices=LANES, default=LANES, help="bytes per beat")
    parser.add_argument("--trace", action="store_true", help="with waveforms, for `--waveform`")
    options = parser.parse_args()
    targets = [
        Target(device, lanes, options.trace)
        for device in options.device
        for lanes in sorted(set(options.lanes) & set(lanes_of(device)))
    ]
    # The widest take longest, and are begun first. Processes, as elaboration keeps its interpreter busy.
    targets.sort(key=lambda target: target.lanes, reverse=True)
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn")) as pool:
        started = time.monotonic()
        building = {pool.submit(build, target, CACHE): target for target in targets}
        for done in as_completed(building):
            target = building[done]
            try:
                done.result()
            except BuildError as error:
                pool.shutdown(cancel_futures=True)
                print(f"sim:{target.device}: {error}", file=sys.stderr)
                return 1
            what = f"sim:{target.device} with {target.lanes} lanes{' and waveforms' if target.trace else ''}"
            print(f"{what}: ready after {time.monotonic() - started:.0f} s", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
