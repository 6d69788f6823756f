"""IPsec as a slice of the provisioner."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from hub.provisioner.changes import Change, Finding, Planned, ProvisionError
from hub.provisioner.ipsec.backend import Backend
from hub.provisioner.ipsec.charon import SYSTEM_SOCKET, connected
from hub.provisioner.ipsec.failures import Failure, Peer
from hub.provisioner.ipsec.leftovers import leftovers
from hub.provisioner.ipsec.listener import Listener
from hub.provisioner.ipsec.memory import remember
from hub.provisioner.ipsec.names import SLICE, connection_name
from hub.provisioner.ipsec.plan import plan
from hub.provisioner.ipsec.sas import Message, best, reported
from hub.provisioner.ipsec.secret_exchange import SecretFiles
from hub.provisioner.ipsec.seen import Seen, look
from hub.provisioner.ipsec.steps import LoadConnection
from hub.provisioner.wanted import Wanted, WantedIpsec


class IpsecSlice:
    """An IpsecSlice makes the hub's ends of IPsec tunnels, with the charon that listens at `vici`.

    `state` is the state directory, `secrets` where the user's secrets are. Reasons of failures are heard from
    `listen` on; a process that only applies has no need of it.
    """

    name = SLICE

    def __init__(self, state: Path, secrets: Path, vici: Path = SYSTEM_SOCKET) -> None:
        self._state = state
        self._secrets = secrets
        self._vici = vici
        self._backend = Backend(vici, state, secrets)
        self._listener = Listener(vici)

    def listen(self) -> None:
        """Begin to hear why peers are not up."""
        self._listener.start()

    def close(self) -> None:
        """Hear no more; nothing on the machine changes."""
        self._listener.stop()

    def plan(self, wanted: Wanted) -> Planned:
        """Look at charon, interfaces, addresses and routes, and say what differs.

        Raises:
            ProvisionError: charon or the kernel do not answer.
        """
        seen = self._look(wanted)
        if leftovers(wanted, seen):
            # What peers have sent would look like somebody else's. charon forgets lists of revoked ones with it: this
            # is for a plan that does something about what is left over, not for each verify.
            with connected(self._vici) as charon:
                seen = replace(seen, charon=replace(seen.charon, certificates=charon.loaded_certificates()))
        return plan(wanted, seen)

    def do(self, change: Change) -> None:
        """Make one change.

        Raises:
            ProvisionError: it failed; nothing else was touched.
        """
        self._backend.do(change.how)

    def verify(self, wanted: Wanted) -> Sequence[Finding]:
        """Put right what is missing or was changed, as after a restart of charon; remove nothing.

        Raises:
            ProvisionError: charon or the kernel do not answer.
        """
        seen = self._look(wanted)
        planned = plan(wanted, seen)
        findings = [Finding(SLICE, each.target, each.text, each.mend) for each in planned.refusals]
        failed: set[str] = set()
        for change in planned.changes:
            if change.removes or change.target in failed:
                continue
            if isinstance(change.how, LoadConnection) and change.how.anew:
                findings.append(Finding(SLICE, change.target, f"not as it should be: {change.text}", "pointsman apply"))
                continue
            try:
                self._backend.do(change.how)
            except ProvisionError as error:
                failed.add(change.target)
                findings.append(Finding(SLICE, change.target, f"{change.text}: {error}", error.mend))
            else:
                findings.append(Finding(SLICE, change.target, change.text, repaired=True))
        return (*findings, *self._exchanging(wanted), *without_route(wanted, seen))

    def _exchanging(self, wanted: Wanted) -> Iterator[Finding]:
        for each in wanted.ipsec:
            if each.secret_file is None:
                continue
            with suppress(ProvisionError):  # a refusal says why its files cannot be read
                if SecretFiles(self._secrets).exchange(each.tunnel, each.secret_file) is not None:
                    text = "a new secret stands beside the one in force: exchanging them was begun and not ended"
                    yield Finding(SLICE, each.tunnel, text, f"pointsman keys rotate {each.tunnel} goes on with it")

    def report(self, wanted: Wanted) -> dict[str, dict[str, Any]]:
        """Of each tunnel under `ipsec`: its SA, its child SA, and why the last attempt failed.

        Raises:
            ProvisionError: charon does not answer.
        """
        if not wanted.ipsec:
            return {}
        names = {each.tunnel: connection_name(wanted.network, each.tunnel) for each in wanted.ipsec}
        self._listener.expect(_peer(each, names[each.tunnel]) for each in wanted.ipsec)
        with connected(self._vici) as charon:
            by_name: dict[str, list[Message]] = {}
            for name, sa in charon.sas():
                by_name.setdefault(name, []).append(sa)
        wall = time.time()
        return {
            tunnel: {"ipsec": told(by_name.get(name, []), self._listener.last(name), self._listener.down(name), wall)}
            for tunnel, name in names.items()
        }

    def _look(self, wanted: Wanted) -> Seen:
        self._listener.expect(_peer(each, connection_name(wanted.network, each.tunnel)) for each in wanted.ipsec)
        seen = look(wanted, self._vici, self._state, self._secrets)
        if seen.is_news:
            with suppress(ProvisionError):  # the next look does it
                remember(self._state, seen.memory)
        return seen


def told(sas: list[Message], failure: Failure | None, down: float | None, wall: float) -> dict[str, Any]:
    """A tunnel as it is reported; `state` is `down` where there is no SA. Times are Unix seconds."""
    sa = best(sas)
    about: dict[str, Any] = {"state": "down", "since": down, "child": None} if sa is None else reported(sa, wall)
    if failure is not None:
        reason = failure.reason
        about["failure"] = {
            "kind": reason.kind.value,
            "reason": reason.text,
            "mend": reason.mend,
            "at": failure.at,
            "sure": failure.sure,
        }
    return about


def _peer(wanted: WantedIpsec, name: str) -> Peer:
    return Peer(name, wanted.hub_identity, wanted.branch_identity, wanted.local, wanted.remote)


def without_route(wanted: Wanted, seen: Seen) -> list[Finding]:
    """An SA without the route that charon makes for it carries nothing: the guard is all that is left."""
    return [
        Finding(
            SLICE,
            each.tunnel,
            f"there is an SA, and no route to {each.branch_loopback}: charon makes none",
            "remove install_routes = no from strongswan.conf, and restart charon",
        )
        for each in wanted.ipsec
        if each.branch_loopback is not None
        and connection_name(wanted.network, each.tunnel) in seen.charon.installed
        and each.branch_loopback not in seen.kernel.routed
    ]
