"""The WireGuard slice as a process of its own, to be run in a namespace: `wireguard_apply.py STATE WHAT [STOP]`.

What is wanted comes on standard input; what was planned, done and found goes out, as JSON. With STOP it dies, as by
SIGKILL, when the backend comes to that step.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from hub.provisioner.asks import Ask
from hub.provisioner.changes import ProvisionError
from hub.provisioner.keys.store import KeyStore
from hub.provisioner.provisioner import Provisioner
from hub.provisioner.rotation import asks
from hub.provisioner.wanted import NOTHING, Wanted, WantedExisting, WantedWireGuard
from hub.provisioner.wireguard import backend as backend_module
from hub.provisioner.wireguard.backend import Backend
from hub.provisioner.wireguard.rotate import Rotation
from hub.provisioner.wireguard.seen import Machine
from hub.provisioner.wireguard.slice import WireGuardSlice


def main(state: Path, what: str, stop: str = "") -> None:
    given = json.load(sys.stdin)
    directory = state / "wireguard"
    backend, machine, keys = Backend(directory), Machine(directory), KeyStore(state / "keys")
    if stop == "alias":
        backend_module._needed = die  # type: ignore[assignment]
    elif stop:
        setattr(backend, stop, die)
    provisioner = Provisioner([WireGuardSlice(keys, backend, machine)], state / "lock")
    if what.startswith("rotate"):
        answer = rotated(asks(lambda _: Rotation(keys, backend, machine), provisioner.alone)[what], given)
    else:
        answer = {"verify": verified, "report": Provisioner.report, "apply": applied}[what](
            provisioner, wanted_of(given)
        )
    json.dump(answer, sys.stdout)


def rotated(ask: Ask, given: dict[str, Any]) -> dict[str, Any]:
    try:
        return ask(given)
    except ProvisionError as error:
        return {"error": str(error), "mend": error.mend}


def verified(provisioner: Provisioner, wanted: Wanted) -> list[list[object]]:
    return [[each.target, each.text, each.repaired] for each in provisioner.verify(wanted)]


def applied(provisioner: Provisioner, wanted: Wanted) -> dict[str, Any]:
    outcome = provisioner.apply(wanted)
    return {
        "done": [each.text for each in outcome.done],
        "failed": [[each.text, each.mend] for each in outcome.failed],
        "refused": [[each.target, each.text, each.mend] for each in outcome.refused],
    }


def wanted_of(given: dict[str, Any]) -> Wanted:
    tunnels = tuple(
        WantedWireGuard(**{**each, "addresses": tuple(each["addresses"]), "allowed": tuple(each["allowed"])})
        for each in given["wireguard"]
    )
    existing = tuple(WantedExisting(**each) for each in given.get("existing", ()))
    return Wanted(given["network"], NOTHING.uplinks, tunnels, (), existing, (), ipv6=True)


def die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
