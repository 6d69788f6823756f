"""What a custom check in Python is given, and what it gives back.

    from hub.observe.custom import Context, Result

    def check(context: Context) -> Result:
        return Result(ok=free_space() > 1_000_000, text="backup disk")

It runs in a process of its own, as whoever the controller runs as, and is killed at its timeout.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

PREFIX = "POINTSMAN_"


@dataclass(frozen=True, slots=True)
class Context:
    """A Context is what is checked: a branch, and one of its tunnels where it is checked per tunnel, else "".

    `interface` is the hub's end of that tunnel, `source` and `address` the hub's and the branch's address in it. The
    check is killed after `timeout` seconds. `arguments` are those of the configuration.
    """

    branch: str
    tunnel: str = ""
    interface: str = ""
    source: str = ""
    address: str = ""
    timeout: float = 2.0
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """A Result is what a check found: fine or not, or None when it cannot tell; `text` is shown, one line of it."""

    ok: bool | None
    text: str = ""


def to_environment(context: Context) -> dict[str, str]:
    """The context as a program is given it."""
    return {
        f"{PREFIX}BRANCH": context.branch,
        f"{PREFIX}TUNNEL": context.tunnel,
        f"{PREFIX}INTERFACE": context.interface,
        f"{PREFIX}SOURCE": context.source,
        f"{PREFIX}ADDRESS": context.address,
        f"{PREFIX}TIMEOUT": f"{context.timeout:g}",
    }


def from_environment(environment: Mapping[str, str], arguments: tuple[str, ...]) -> Context:
    """The context as a program was given it."""
    said = {key: environment.get(f"{PREFIX}{key.upper()}", "") for key in ("branch", "tunnel", "interface", "source")}
    address, timeout = environment.get(f"{PREFIX}ADDRESS", ""), environment.get(f"{PREFIX}TIMEOUT") or "2"
    return Context(**said, address=address, timeout=float(timeout), arguments=arguments)
