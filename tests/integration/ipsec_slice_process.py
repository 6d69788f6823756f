"""The provisioner with its IPsec slice alone, in the present network namespace: commands on stdin, answers out."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hub.provisioner.changes import ProvisionError
from hub.provisioner.ipsec.backend import Backend
from hub.provisioner.ipsec.rotate import SecretRotation
from hub.provisioner.ipsec.slice import IpsecSlice
from hub.provisioner.provisioner import Provisioner
from hub.provisioner.rotation import Ask, asks
from hub.provisioner.wanted import Wanted, WantedIpsec


def main() -> None:
    """One JSON line in, one out."""
    directory, vici = Path(sys.argv[1]), Path(sys.argv[2])
    ipsec = IpsecSlice(directory, directory / "secrets", vici)
    ipsec.listen()
    provisioner = Provisioner([ipsec], directory / "lock")
    last: list[Wanted] = []
    secret = SecretRotation(lambda: last[-1] if last else None, Backend(vici, directory, directory / "secrets"))
    rotates = asks(lambda _: secret, provisioner.alone)
    for line in sys.stdin:
        asked = json.loads(line)
        tunnels = tuple(WantedIpsec(**{k: _tuple(v) for k, v in each.items()}) for each in asked["tunnels"])
        wanted = Wanted("kencana", (), (), tunnels, (), (), ipv6=False)
        last.append(wanted)
        if (rotate := rotates.get(asked["do"])) is not None:
            found = answer_of(rotate, tunnels[0].tunnel)
        else:
            found = answer(provisioner, asked["do"], wanted)
        sys.stdout.write(json.dumps(found) + "\n")
        sys.stdout.flush()


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def answer_of(rotate: Ask, tunnel: str) -> Any:
    """What a step of exchanging a secret comes to."""
    try:
        return rotate({"tunnel": tunnel})
    except ProvisionError as error:
        return {"error": str(error)}


def answer(provisioner: Provisioner, verb: str, wanted: Wanted) -> Any:
    """What a verb comes to, as plain data."""
    match verb:
        case "plan":
            planned = provisioner.plan(wanted)
            return {
                "changes": [[each.target, each.text] for each in planned.changes],
                "refusals": [asdict(each) for each in planned.refusals],
            }
        case "apply":
            outcome = provisioner.apply(wanted)
            return {
                "done": [[each.target, each.text] for each in outcome.done],
                "failed": [[each.change.target, each.text, each.mend] for each in outcome.failed],
                "refused": [asdict(each) for each in outcome.refused],
            }
        case "verify":
            return [asdict(each) for each in provisioner.verify(wanted)]
        case _:
            return provisioner.report(wanted)


if __name__ == "__main__":
    main()
