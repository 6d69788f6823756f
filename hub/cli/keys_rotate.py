"""`pointsman keys rotate`: new keys at both ends of tunnels, one after the other, while traffic is elsewhere."""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hub.cli.asking import say_fault
from hub.cli.exit_status import DONE, NOT_RUNNING, REFUSED
from hub.cli.saying import add_reason, duration_seconds, line
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
  pointsman keys rotate bandung --force --reason "router stolen"      although nothing else carries its traffic

--push-with runs its command in a shell, for each tunnel once, with the branch's new text on its standard input and the
tunnel in $POINTSMAN_TUNNEL (as bandung/fiber). The text holds the branch's private key. "wg syncconf" alone lasts until
the branch boots: let the command write the file of wg-quick there too, as
    ssh bandung 'umask 077; cat >/etc/wireguard/fiber.conf; wg-quick strip fiber | wg syncconf fiber /dev/stdin'
Of an IPsec tunnel it is the branch's file for swanctl, with its secrets: see docs/how-to/exchange-keys.md.

--force goes on where nothing can be drained: the tunnel is out until the branch has its new keys. Where no tunnel of
the branch lives, no handshake can be waited for either, and without --push-with the new keys are in force at the hub at
once: "pointsman router print BRANCH --with-keys" has the text that the branch needs then.

exit status: 0 done, 1 not done (what holds is said), 2 usage, 3 no hub is running, 130 interrupted
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
        description="Exchanges the keys of a tunnel, or of all tunnels of a branch, those first that carry nothing. "
        "Each is drained, gets its new keys at the hub and at the branch, is seen to shake hands with them, and is "
        "brought back. If it does not shake hands, the old keys are put back. A preshared key is exchanged with them, "
        "and of IPsec the secret, by a new SA; certificates are not: it says what to do with those. Run it as root.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_running_hub(parser)
    parser.add_argument("target", metavar="TARGET", help="bandung/fiber, or bandung for all of its tunnels")
    parser.add_argument("--push-with", metavar="COMMAND", help="what brings the new text to the branch")
    parser.add_argument("--plain", action="store_true", help='text for "wg syncconf", and not for wg-quick')
    parser.add_argument(
        "--timeout",
        metavar="2m",
        type=duration_seconds,
        help="how long to wait for the handshake or the SA (default: 2m; 15m without --push-with)",
    )
    add_reason(parser)
    parser.add_argument(
        "--force", action="store_true", help="although it isolates a branch, or nothing of it lives; needs --reason"
    )
    parser.add_argument("--back", action="store_true", help="end an exchange that was interrupted: the old keys again")
    parser.set_defaults(run=lambda options: run(options, parser), json=False)


def run(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Exchange the keys."""
    from hub.control.client import BusyError, NotRunningError, RefusedError
    from hub.provisioner.changes import ProvisionError

    if options.force and not options.reason:
        parser.error("--force needs --reason: whoever finds a branch cut off must be able to read why")
    if os.geteuid() != 0:
        print("pointsman: only root can read the keys\n    mend: run it as root", file=sys.stderr)
        return REFUSED
    try:
        return _run(options)
    except NotRunningError as error:
        if isinstance(error, BusyError):
            say_fault(options, f"the hub is running, but {error}", "say it again; if it stays so: pointsman doctor")
        else:
            say_fault(options, str(error), "start the hub and its provisioner")
        return NOT_RUNNING
    except RefusedError as error:
        return say_fault(options, str(error))
    except ProvisionError as error:
        return say_fault(options, str(error), error.mend)


def _run(options: argparse.Namespace) -> int:
    from hub.cli.key_exchange import exchange
    from hub.cli.keys_by_hand import say_not_rotated

    hub = _hub_of(options)
    status = hub.controller({"ask": "status"})
    hub = replace(hub, config=Path(str(status["config"])))
    intent = _intent_of(hub.config)
    if intent is None:
        print(f"pointsman: the configuration in {hub.config} cannot be used", file=sys.stderr)
        print(f"    mend: pointsman check {hub.config}", file=sys.stderr)
        return REFUSED
    tunnels = _tunnels_of(intent, options.target, status["branches"])
    if not (options.back and tunnels):
        say_not_rotated(intent, options.target, hub.said)
    if not tunnels:
        return _nothing_to_rotate(options, intent)
    for number, tunnel in enumerate(tunnels):
        if number and not options.back:
            _wait_for(hub, tunnels[number - 1], tunnel)
        if options.back:
            was = hub.provisioner({"ask": "rotate-rollback", "tunnel": tunnel})["was"]
            print(
                line(
                    "back",
                    f"{tunnel} has its old keys" if was else f"{tunnel}: no new keys stand beside those in force",
                )
            )
        elif not exchange(hub, intent, tunnel):
            return REFUSED
    return DONE


def _nothing_to_rotate(options: argparse.Namespace, intent: Intent) -> int:
    target: str = options.target
    if target in intent.branches or target in map(str, intent.tunnels()):
        return REFUSED
    return say_fault(options, f'"{target[:80]}" is no branch and no tunnel here', 'name one of "pointsman tunnels"')


def _wait_for(hub: Hub, last: str, following: str) -> None:
    from hub.cli.key_exchange import until_live

    try:
        until_live(hub, last)
    except KeyboardInterrupt:
        print(f"pointsman: interrupted; {following} was not begun, and keeps the keys it has", file=sys.stderr)
        print(hub.said(f"    mend: pointsman keys rotate {following}"), file=sys.stderr)
        raise


def _hub_of(options: argparse.Namespace) -> Hub:
    from hub.cli.drain_wait import Steps, until_reached, why_not_reached
    from hub.cli.key_bringing import Wishes
    from hub.cli.key_exchange import Hub
    from hub.cli.same_hub import same_hub
    from hub.control.client import ask_controller

    places = running_hub(options)

    def idle(drain: dict[str, Any], begun: float) -> str:
        report = until_reached(options, drain["number"], Steps([], quiet=True, begun=begun), None)
        return "" if report["safe"] else why_not_reached(report, time.monotonic() - begun)

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
            reason=options.reason or "",
        ),
        said=lambda text: same_hub(text, options),
    )


def _intent_of(directory: Path) -> Intent | None:
    from hub.config import read

    return read(directory).intent


def _tunnels_of(intent: Intent, target: str, branches: list[dict[str, object]]) -> list[str]:
    """The tunnels that are meant and whose keys can be exchanged, those first that carry nothing."""
    from hub.cli.keys_by_hand import is_rotated

    carrying = {f"{each['branch']}/{each['on']}" for each in branches}
    found = [
        str(tunnel.id)
        for tunnel in intent.tunnels().values()
        if is_rotated(tunnel) and target in (tunnel.id.branch, str(tunnel.id))
    ]
    return sorted(found, key=lambda tunnel: (tunnel in carrying, tunnel))
