"""`pointsman keys rotate`: new keys at both ends of tunnels, one after the other, while traffic is elsewhere."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hub.cli.exit_status import DONE, NOT_RUNNING, REFUSED
from hub.cli.saying import duration_seconds, line
from hub.cli.where import add_running_hub, running_hub

if TYPE_CHECKING:
    from hub.cli.key_exchange import Hub
    from policies.model.intent import Intent

_EPILOG = """\
examples:
  pointsman keys rotate bandung --push-with ./bring-keys
  pointsman keys rotate bandung/fiber --plain --push-with "ssh bandung wg syncconf fiber /dev/stdin"
  pointsman keys rotate bandung/fiber          prints what to paste at the branch, and waits for it
  pointsman keys rotate bandung/fiber --back   ends what was interrupted: the old keys again

--push-with runs its command in a shell, for each tunnel once, with the branch's new text on its standard input and the
tunnel in $POINTSMAN_TUNNEL (as bandung/fiber). The text holds the branch's private key. "wg syncconf" alone lasts until
the branch boots: let the command write the file of wg-quick there too, as
    ssh bandung 'cat >/etc/wireguard/fiber.conf; wg-quick strip fiber | wg syncconf fiber /dev/stdin'

exit status: 0 done, 1 not done (what was begun is taken back), 2 usage, 3 no hub is running
"""
_PATIENCE = 30.0
"""Seconds for an answer: the provisioner may be at a long apply."""
PUSHED_SECONDS, PASTED_SECONDS = 120.0, 900.0
"""How long the branch may take to speak its new keys, where a program brings them and where somebody pastes them."""


def add_rotate(parts: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `rotate` below `keys`."""
    parser = parts.add_parser(
        "rotate",
        help="new keys at both ends, without losing a packet",
        description="Exchanges the keys of a tunnel, or of all WireGuard tunnels of a branch, those first that carry "
        "nothing. Each is drained, gets its new keys at the hub and at the branch, is seen to shake hands with them, "
        "and is brought back. If it does not shake hands, the old keys are put back. Run it as root.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_running_hub(parser)
    parser.add_argument("target", metavar="TARGET", help="bandung/fiber, or bandung for all of its WireGuard tunnels")
    parser.add_argument("--push-with", metavar="COMMAND", help="what brings the new text to the branch")
    parser.add_argument("--plain", action="store_true", help='text for "wg syncconf", and not for wg-quick')
    parser.add_argument(
        "--timeout",
        metavar="2m",
        type=duration_seconds,
        help="how long to wait for the handshake (default: 2m; 15m without --push-with)",
    )
    parser.add_argument("--force", action="store_true", help="although it isolates a branch of one tunnel for a while")
    parser.add_argument("--back", action="store_true", help="end an exchange that was interrupted: the old keys again")
    parser.set_defaults(run=run, json=False)


def run(options: argparse.Namespace) -> int:
    """Exchange the keys."""
    from hub.control.client import NotRunningError, RefusedError
    from hub.provisioner.changes import ProvisionError

    if os.geteuid() != 0:
        print("pointsman: only root can read the keys\n    mend: run it as root", file=sys.stderr)
        return REFUSED
    try:
        return _run(options)
    except NotRunningError as error:
        print(f"pointsman: {error}\n    mend: start the hub and its provisioner", file=sys.stderr)
        return NOT_RUNNING
    except RefusedError as error:
        print(f"pointsman: {error}", file=sys.stderr)
        return REFUSED
    except ProvisionError as error:
        print(f"pointsman: {error}\n    mend: {error.mend}", file=sys.stderr)
        return REFUSED


def _run(options: argparse.Namespace) -> int:
    from hub.cli.key_exchange import exchange, until_live

    hub = _hub_of(options)
    status = hub.controller({"ask": "status"})
    intent = _intent_of(Path(str(status["config"])))
    tunnels = [] if intent is None else _tunnels_of(intent, options.target, status["branches"])
    if intent is None or not tunnels:
        print(f'pointsman: "{options.target[:80]}" has no WireGuard tunnel here', file=sys.stderr)
        mend = 'name a WireGuard tunnel of "pointsman tunnels"; the secret of an IPsec tunnel is a file in secrets/'
        print(f"    mend: {mend}: write another one there and at the branch, then pointsman apply", file=sys.stderr)
        return REFUSED
    for number, tunnel in enumerate(tunnels):
        if number and not options.back:
            until_live(hub, tunnels[number - 1])
        if options.back:
            was = hub.provisioner({"ask": "rotate-rollback", "tunnel": tunnel})["was"]
            print(line("back", f"{tunnel} has its old keys" if was else f"{tunnel}: nothing was begun"))
        elif not exchange(hub, intent, tunnel):
            return REFUSED
    return DONE


def _hub_of(options: argparse.Namespace) -> Hub:
    from hub.cli.drain_wait import Steps, wait
    from hub.cli.key_exchange import Hub, Wishes
    from hub.control.client import ask_controller

    places = running_hub(options)

    def idle(drain: dict[str, object], begun: float) -> bool:
        return wait(options, drain, Steps([], quiet=True, begun=begun), None) == DONE

    usual = PUSHED_SECONDS if options.push_with else PASTED_SECONDS
    return Hub(
        controller=lambda question: ask_controller(places.control_socket, question, _PATIENCE),
        provisioner=lambda question: ask_controller(places.provisioner_socket, question, _PATIENCE),
        idle=idle,
        wishes=Wishes(
            push_with=options.push_with,
            plain=options.plain,
            seconds=usual if options.timeout is None else options.timeout,
            force=options.force,
        ),
    )


def _intent_of(directory: Path) -> Intent | None:
    from hub.config import read

    return read(directory).intent


def _tunnels_of(intent: Intent, target: str, branches: list[dict[str, object]]) -> list[str]:
    """The WireGuard tunnels that are meant, those that carry nothing first."""
    from policies.model.transport import WireGuard

    carrying = {f"{each['branch']}/{each['on']}" for each in branches}
    found = [
        str(tunnel.id)
        for tunnel in intent.tunnels().values()
        if isinstance(tunnel.transport, WireGuard) and target in (tunnel.id.branch, str(tunnel.id))
    ]
    return sorted(found, key=lambda tunnel: (tunnel in carrying, tunnel))
