"""`pointsman check` over many generated branches, as a whole process. Run by `scripts/bench check`."""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench_end import to_its_end

NETWORK = """\
network: bench
timezone: Asia/Jakarta
hub:
  name: hq
  as: 4200000000
  router-id: 10.0.0.1
  prefixes: [10.0.0.0/16]
  uplinks:
    telkom: {isp: telkom, interface: eth0, endpoint: 198.51.100.2}
    biznet: {isp: biznet, interface: eth1, endpoint: 203.0.113.2}
pools:
  links: 172.16.0.0/16
  ports: 20000-29999
"""
BRANCH = """\
as: {asn}
prefixes: [10.{high}.{low}.0/24]
uplinks:
  fiber:    {{isp: telkom}}
  wireless: {{isp: indosat, kind: lte, metered: true}}
"""


def main() -> int:
    """Generate, allocate, check and print the times; 0 when nothing was found wrong."""
    parser = argparse.ArgumentParser(prog="scripts/bench check", description=__doc__)
    parser.add_argument("--branches", type=int, default=500, help="(default: %(default)s)")
    parser.add_argument("--runs", type=int, default=7, help="(default: %(default)s)")
    options = parser.parse_args()
    program = str(Path(sys.executable).with_name("pointsman"))
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        generate(directory, options.branches)
        subprocess.run([program, "allocate", str(directory)], check=True, stdout=subprocess.DEVNULL)
        times = [timed([program, "check", str(directory)]) for _ in range(options.runs)]
    spread = f"{min(times):.2f}-{max(times):.2f}"
    print(f"check of {options.branches} branches: {statistics.median(times):.2f} s ({spread}), n={len(times)}")
    return 0


def generate(directory: Path, branches: int) -> None:
    """A configuration with so many branches."""
    (directory / "network.yaml").write_text(NETWORK)
    (directory / "branches").mkdir()
    for number in range(branches):
        high, low = divmod(number + 256, 256)
        text = BRANCH.format(asn=4200000001 + number, high=high, low=low)
        (directory / "branches" / f"branch-{number:04}.yaml").write_text(text)


def timed(command: list[str]) -> float:
    """Seconds of the wall clock from start to exit."""
    begun = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


if __name__ == "__main__":
    to_its_end(main)
