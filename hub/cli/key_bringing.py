"""How a branch gets the text of its end of a tunnel: by the operator's command, else by showing it."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from hub.cli.saying import line
from hub.control.places import SYSTEM_CONFIG, SYSTEM_STATE

_PUSH_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Wishes:
    """A Wishes is how the branch gets its new text, and how many seconds it may take to speak the new keys.

    `force`: although nothing else may carry its traffic, with the `reason`.
    """

    push_with: str | None
    plain: bool
    seconds: float
    force: bool
    reason: str = ""


class NotBroughtError(Exception):
    """The branch did not get its text; this says why."""


def bring(wishes: Wishes, tunnel: str, text: str, which: str, where: str) -> None:
    """Give the branch this text; `which` it is is said: `new` or `old`, and `where` it belongs.

    Raises:
        NotBroughtError: the command failed.
    """
    if wishes.push_with is None:
        place = where.format(tunnel=tunnel, branch=tunnel.partition("/")[0])
        print(line("branch", f"paste this as {place} there; it is waited for:"))
        print(f"\n{text}", flush=True)
        return
    environment = {**os.environ, "POINTSMAN_TUNNEL": tunnel}
    try:
        done = subprocess.run(  # noqa: S602 - the operator's own command line
            wishes.push_with,
            shell=True,
            input=text,
            text=True,
            env=environment,
            timeout=_PUSH_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise NotBroughtError(f"the command of --push-with took more than {_PUSH_SECONDS:.0f} s") from None
    if done.returncode:
        raise NotBroughtError(f"the command of --push-with failed (exit status {done.returncode})")
    print(line("branch", f"{tunnel}: the {which} text is there"), flush=True)


def router_print(tunnel: str, part: str, config: Path, state: Path) -> str:
    """The command that shows this part of the branch's end, with the keys in force."""
    words = ["sudo pointsman router print", tunnel.partition("/")[0], f"--part {part} --with-keys"]
    words += [f"--config {config}"] if config != SYSTEM_CONFIG else []
    words += [f"--state-dir {state}"] if state != SYSTEM_STATE else []
    return " ".join(words)
