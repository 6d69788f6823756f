"""The provisioner with its IPsec slice alone, in the present network namespace: commands on stdin, answers out."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hub.provisioner.ipsec.slice import IpsecSlice
from hub.provisioner.provisioner import Provisioner
from hub.provisioner.wanted import Wanted, WantedIpsec


def main() -> None:
    """One JSON line in, one out."""
    directory, vici = Path(sys.argv[1]), Path(sys.argv[2])
    ipsec = IpsecSlice(directory, directory / "secrets", vici)
    ipsec.listen()
    provisioner = Provisioner([ipsec], directory / "lock")
    for line in sys.stdin:
        asked = json.loads(line)
        tunnels = tuple(WantedIpsec(**{k: _tuple(v) for k, v in each.items()}) for each in asked["tunnels"])
        wanted = Wanted("kencana", (), (), tunnels, (), (), ipv6=False)
        sys.stdout.write(json.dumps(answer(provisioner, asked["do"], wanted)) + "\n")
        sys.stdout.flush()


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


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
