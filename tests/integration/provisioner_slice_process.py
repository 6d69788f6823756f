"""A slice of the provisioner in the namespace that it is started in: asked on standard input, answers on the output."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hub.provisioner.changes import Change, Finding, Planned, ProvisionError, Refusal
from hub.provisioner.mss.backend import Mss
from hub.provisioner.sysctls.backend import Sysctls
from hub.provisioner.uplinks.backend import Uplinks
from hub.provisioner.wanted import NOTHING, Wanted, WantedIpsec, WantedUplink, WantedWireGuard

SLICES = {"uplinks": lambda _: Uplinks(), "sysctls": Sysctls, "mss": lambda _: Mss()}


def wanted_from(plain: dict[str, Any]) -> Wanted:
    uplinks = tuple(WantedUplink(**one) for one in plain["uplinks"])
    wireguard = tuple(WantedWireGuard(**one) for one in plain["wireguard"])
    ipsec = tuple(WantedIpsec(**one) for one in plain["ipsec"])
    return Wanted(NOTHING.network, uplinks, wireguard, ipsec, (), (), ipv6=plain["ipv6"])


def plain(found: Change | Refusal | Finding) -> dict[str, Any]:
    if isinstance(found, Change):
        return {"target": found.target, "text": found.text, "removes": found.removes}
    return asdict(found)


def answer(each: Uplinks | Sysctls | Mss, ask: str, wanted: Wanted) -> Any:
    match ask:
        case "plan" | "apply":
            planned: Planned = each.plan(wanted)
            for change in planned.changes if ask == "apply" else ():
                each.do(change)
            return {"changes": list(map(plain, planned.changes)), "refusals": list(map(plain, planned.refusals))}
        case "verify":
            return list(map(plain, each.verify(wanted)))
        case "report":
            return each.report(wanted)
        case _:
            assert isinstance(each, Sysctls)
            return each.put_back()


def main() -> None:
    each = SLICES[sys.argv[1]](Path(sys.argv[2]))
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            said = answer(each, asked["ask"], wanted_from(asked["wanted"]))
        except ProvisionError as error:
            said = {"error": str(error), "mend": error.mend}
        print(json.dumps(said), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
