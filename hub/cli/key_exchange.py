"""The steps by which one tunnel gets new keys: drained, both ends, verified, undrained; or all of it taken back."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hub.cli.saying import line
from hub.control.client import NotRunningError, RefusedError
from hub.provisioner.changes import ProvisionError
from hub.provisioner.keys.folder import TunnelKeys
from hub.provisioner.keys.store import KeyStore

if TYPE_CHECKING:
    from policies.model.intent import Intent

Report = dict[str, Any]
_ASK_EVERY = 0.5
_PUSH_SECONDS = 120.0
_DRAINED_FOR = "2h"
"""A drain that this command cannot end any more, because it was killed, ends by itself."""
LIVE_SECONDS = 60.0
"""How long a tunnel with new keys may take until it answers and has its session again."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """A Wishes is how the branch gets its new text, and how long it may take to speak the new keys."""

    push_with: str | None
    plain: bool
    seconds: float
    force: bool


@dataclass(frozen=True, slots=True)
class Hub:
    """A Hub is whom to ask. `idle` waits until a drain is reached, and says why if it is not.

    `controller` and `provisioner` raise RefusedError and NotRunningError.
    """

    controller: Callable[[Report], Report]
    provisioner: Callable[[Report], Report]
    idle: Callable[[Report, float], bool]
    wishes: Wishes


class _NotVerifiedError(Exception):
    """The branch does not speak its new keys; the text says why."""


def exchange(hub: Hub, intent: Intent, tunnel: str) -> bool:
    """Exchange the keys of one tunnel; False when the old ones are in force again, which has been said then.

    Raises:
        RefusedError: nothing was begun, or it is being taken back by a Ctrl-C and that is refused.
        NotRunningError: the controller or the provisioner is not there.
    """
    report = hub.provisioner({"ask": "rotate-status", "tunnel": tunnel})  # whether it can be begun at all
    present = KeyStore(Path(str(report["keys"]))).of(tunnel)
    if hub.wishes.push_with is not None and present is not None and present.branch is None:
        text = f"{tunnel}: its branch made its own key, which only it has, so no whole text can be brought there"
        raise RefusedError(f"{text}: leave --push-with out, and write the hub's new public key there yourself")
    begun = time.monotonic()
    question = {"ask": "drain", "target": tunnel, "reason": "its keys are exchanged", "for": _DRAINED_FOR}
    drain = hub.controller({**question, "force": hub.wishes.force})["overrides"][0]
    try:
        if not hub.idle(drain, begun):
            return False
        print(line("drained", f"{tunnel} carries nothing"), flush=True)
        return _both_ends(hub, intent, tunnel)
    finally:
        hub.controller({"ask": "undrain", "target": str(drain["number"])})
        print(line("undrained", tunnel), flush=True)


def until_live(hub: Hub, tunnel: str) -> None:
    """Wait until a tunnel answers again and has its session: while it does not, the next one is not to be drained.

    Only so long; the next drain is refused where it would isolate the branch.
    """
    branch, _, name = tunnel.partition("/")
    deadline = time.monotonic() + LIVE_SECONDS
    while time.monotonic() < deadline:
        branches = hub.controller({"ask": "status"})["branches"]
        found = [t for b in branches if b["branch"] == branch for t in b["tunnels"] if t["tunnel"] == name]
        if all(each["liveness"] == "up" and each["session"] == "up" for each in found):
            return
        time.sleep(_ASK_EVERY)


def _both_ends(hub: Hub, intent: Intent, tunnel: str) -> bool:
    pushed = False
    try:
        report = hub.provisioner({"ask": "rotate-begin", "tunnel": tunnel})
        print(line("hub", f"{report['interface']} has its new key {report['hub_public']}"), flush=True)
        store = KeyStore(Path(str(report["keys"])))
        pushed = True
        _bring(hub.wishes, intent, tunnel, store.staged(tunnel))
        seconds = _until_verified(hub, tunnel)
        hub.provisioner({"ask": "rotate-commit", "tunnel": tunnel})
    except (_NotVerifiedError, ProvisionError, RefusedError, NotRunningError) as error:
        _take_back(hub, intent, tunnel, str(error), pushed=pushed)
        return False
    except KeyboardInterrupt:
        _take_back(hub, intent, tunnel, "interrupted", pushed=pushed)
        raise
    print(line("verified", f"{tunnel}: a handshake with the new keys after {seconds:.1f} s"), flush=True)
    return True


def _until_verified(hub: Hub, tunnel: str) -> float:
    begun = time.monotonic()
    while True:
        if hub.provisioner({"ask": "rotate-status", "tunnel": tunnel})["verified"]:
            return time.monotonic() - begun
        if time.monotonic() - begun >= hub.wishes.seconds:
            raise _NotVerifiedError(f"no handshake with the new keys within {hub.wishes.seconds:.0f} s")
        time.sleep(_ASK_EVERY)


def _take_back(hub: Hub, intent: Intent, tunnel: str, why: str, *, pushed: bool) -> None:
    print(f"pointsman: {tunnel}: {why}", file=sys.stderr)
    report = hub.provisioner({"ask": "rotate-status", "tunnel": tunnel})
    hub.provisioner({"ask": "rotate-rollback", "tunnel": tunnel})
    print(line("back", f"{tunnel} has its old keys at the hub"), flush=True)
    if not pushed:
        return
    if hub.wishes.push_with is None:
        print("    mend: if the branch has the new text already, put its old one back", file=sys.stderr)
        return
    try:
        _bring(hub.wishes, intent, tunnel, KeyStore(Path(str(report["keys"]))).of(tunnel), old=True)
    except (_NotVerifiedError, ProvisionError) as error:
        print(f"    mend: give the branch its old text ({error}): pointsman router print", file=sys.stderr)


def _bring(wishes: Wishes, intent: Intent, tunnel: str, keys: TunnelKeys | None, *, old: bool = False) -> None:
    """Give the branch its text: by the operator's command, else by showing it."""
    from hub.cli.branch_wireguard import branch_wireguard

    if keys is None:
        raise _NotVerifiedError("somebody else ended the exchange of its keys")
    text, which = branch_wireguard(intent, tunnel, keys, plain=wishes.plain), "old" if old else "new"
    if wishes.push_with is None:
        print(line("branch", f"paste this as the configuration of {tunnel} there; it is waited for:"))
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
        raise _NotVerifiedError(f"the command of --push-with took more than {_PUSH_SECONDS:.0f} s") from None
    if done.returncode:
        raise _NotVerifiedError(f"the command of --push-with failed (exit status {done.returncode})")
    print(line("branch", f"{tunnel}: the {which} text is there"), flush=True)
