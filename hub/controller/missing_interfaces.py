"""What is wrong with tunnels' interfaces at the hub, and of which other fault that follows. Pure.

Where another network of Pointsman is in this network namespace, the provisioner makes nothing at all: that is one
fault, and every interface that is not there follows from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from policies.model.intent import Intent, Tunnel
from policies.model.transport import Existing

OF_THE_MACHINE = "tunnels:machine:"
"""How the keys of faults begin by which nothing is made on this machine."""
_NOT_THERE = "is not there"
"""How the forwarder ends its word on an interface that is missing, and not only down."""

Problems = Mapping[str, tuple[str, str]]


def interface_fault(tunnel: Tunnel, problems: Problems) -> dict[str, Any] | None:
    """What is wrong with the interface of the hub's end, and the key of the fault that it follows from, if of any."""
    text, mend = problems.get(_key(tunnel), ("", ""))
    if not text:
        return None
    cause = _cause(tunnel, problems)
    if cause is not None:
        mend = problems[cause][1] or problems[cause][0]
    return {"text": text, "mend": mend, "follows": cause}


def missing_by_the_machine(intent: Intent, problems: Problems) -> Iterator[str]:
    """The keys of the faults that follow from one of the machine."""
    if any(key.startswith(OF_THE_MACHINE) for key in problems):
        yield from (_key(tunnel) for tunnel in intent.tunnels().values() if _cause(tunnel, problems) is not None)


def _cause(tunnel: Tunnel, problems: Problems) -> str | None:
    """An adopted interface is made by somebody else, whatever the provisioner does."""
    missing = problems.get(_key(tunnel), ("", ""))[0].endswith(_NOT_THERE)
    if not missing or isinstance(tunnel.transport, Existing):
        return None
    return next((key for key in sorted(problems) if key.startswith(OF_THE_MACHINE)), None)


def _key(tunnel: Tunnel) -> str:
    return f"check:interface:{tunnel.interface}"
