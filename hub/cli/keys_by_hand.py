"""What `keys rotate` does not exchange, why, and what does it instead: it is made by others, and not by the hub."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from policies.model.transport import Certificate, Existing, Ipsec, WireGuard

if TYPE_CHECKING:
    from policies.model.intent import Intent, Tunnel

_HOW_TO = "docs/how-to/exchange-keys.md"


def say_not_rotated(intent: Intent, target: str, said: Callable[[str], str] = str) -> None:
    """Say of each tunnel that is meant, and has keys of another kind, what is to be done with those.

    `said` has printed commands name the hub that was named.
    """
    for text, mend in not_rotated(intent, target):
        print(said(f"pointsman: {text}\n    mend: {mend}"), file=sys.stderr)


def not_rotated(intent: Intent, target: str) -> Iterator[tuple[str, str]]:
    """Why tunnels that are meant are not exchanged, each with its mend. `target` is a tunnel or a branch."""
    for name, tunnel in sorted(intent.tunnels().items()):
        if target in (name.branch, str(name)) and (found := _by_hand(tunnel)) is not None:
            yield found


def is_rotated(tunnel: Tunnel) -> bool:
    """Whether `keys rotate` exchanges what this tunnel has."""
    return _by_hand(tunnel) is None


def _by_hand(tunnel: Tunnel) -> tuple[str, str] | None:
    name = tunnel.id
    match tunnel.transport:
        case WireGuard():
            return None
        case Existing():
            return f"{name} was made by somebody else (existing:), so its keys are not here", "exchange them there"
        case Ipsec(authentication=Certificate() as by):
            text = f"{name} is IPsec: it has the certificate {by.file}, which keys rotate does not exchange"
            new = f"write another one of the same authority there, its key into {by.key_file}"
            return text, f"pointsman drain {name}; {new}; pointsman apply; have the branch make its SA anew ({_HOW_TO})"
        case Ipsec():
            return None
