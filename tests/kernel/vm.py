#!/usr/bin/env python3
"""Run a command on the distribution's own kernel, in an emulated machine whose root is this one's, read-only.

The first use downloads the kernel and prepares it (half a minute); what was prepared is used for as long as it is in
the cache. Without a command: a shell. Exit status: the command's; after a line of why 69 where there is no kernel to be
had, 124 where the time was over, and 1 where the machine ended by itself.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from pathlib import Path

from kernel_initrd import initrd
from kernel_machine import Machine, OutOfTimeError, run
from kernel_package import KernelError, kernel

NO_KERNEL = 69
"""EX_UNAVAILABLE of sysexits.h(3head)."""
OUT_OF_TIME = 124
"""As of timeout(1)."""
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pointsman-kernel"


def main(arguments: list[str]) -> int:
    """The command line."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    started = time.monotonic()
    try:
        booted = kernel(options.cache.resolve())
        machine = Machine(
            booted.image,
            initrd(booted, options.cache.resolve()),
            booted.modules.parent,
            memory=options.memory,
            processors=options.processors,
            limit=options.limit,
            kvm=options.kvm,
        )
    except KernelError as error:
        _say(str(error))
        return NO_KERNEL
    if (prepared := time.monotonic() - started) > 5:
        _say(f"Linux {booted.release} prepared in {prepared:.0f} s")
    try:
        status = run(machine, options.command or ["bash"], out=options.out, shell=not options.command)
    except OutOfTimeError as error:
        _say(str(error))
        return OUT_OF_TIME
    except KernelError as error:
        _say(str(error))
        return 1
    except KeyboardInterrupt:
        return 130
    _say(f"Linux {booted.release}, {time.monotonic() - started:.0f} s in all, exit status {status}")
    return status


def _say(text: str) -> None:
    print(f"kernel machine: {text}", file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=CACHE, help="where kernel and initrd are kept (%(default)s)")
    parser.add_argument("--memory", type=int, default=2048, metavar="MB", help="%(default)s; 60 %% of it may be files")
    parser.add_argument("--processors", type=int, default=2, metavar="N", help="%(default)s")
    parser.add_argument("--limit", type=float, default=900, metavar="SECONDS", help="of a command (%(default)g)")
    parser.add_argument("--kvm", action="store_true", help="ten times as fast, where it works")
    parser.add_argument("--out", type=Path, metavar="DIR", help="gets what the command wrote to $OUT")
    parser.add_argument("command", nargs="*", help="its arguments as they are; put -- before it")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
