"""The slice `wireguard`: looks, plans, does, and tells of each tunnel what is known."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, assert_never

from hub.provisioner.alias import Alias
from hub.provisioner.changes import Change, Finding, Planned, ProvisionError
from hub.provisioner.keys.folder import TunnelKeys
from hub.provisioner.keys.store import KeyStore
from hub.provisioner.wanted import Wanted, WantedWireGuard
from hub.provisioner.wireguard import plan as planning
from hub.provisioner.wireguard.backend import Backend
from hub.provisioner.wireguard.interfaces import Seen
from hub.provisioner.wireguard.plan import (
    Configure,
    Forget,
    How,
    KnownKeys,
    Make,
    MakeKeys,
    Remove,
    Replace,
    SetLink,
    end_of,
    written_alike,
)
from hub.provisioner.wireguard.seen import Machine
from hub.provisioner.wireguard.telling import facts_of


class WireGuardSlice:
    """A WireGuardSlice cares for the hub's ends of all WireGuard tunnels."""

    name = planning.SLICE

    def __init__(
        self, keys: KeyStore, backend: Backend, machine: Machine, clock: Callable[[], float] = time.time
    ) -> None:
        self._keys = keys
        self._backend = backend
        self._machine = machine
        self._clock = clock
        self._endpoints: dict[str, str] = {}

    def plan(self, wanted: Wanted) -> Planned:
        """What differs. Reads the keys and the machine; changes nothing."""
        return planning.plan(wanted, self._look(wanted), {each.tunnel: self._known(each) for each in wanted.wireguard})

    def do(self, change: Change) -> None:
        """Make one change of the last plan."""
        how: How = change.how
        match how:
            case MakeKeys():
                self._make_keys(how)
            case Make(wanted, alias):
                self._make(wanted, alias)
            case Replace(wanted, alias):
                self._backend.clear(wanted.interface, alias.network)
                self._make(wanted, alias)
            case Configure(wanted, peer_only):
                self._configure(wanted, peer_only=peer_only)
            case SetLink(wanted, alias, present):
                self._set_link(wanted, present, alias)
            case Remove(interface):
                self._backend.remove(interface)
            case Forget(interface):
                self._backend.forget(interface)
            case _:
                assert_never(how)

    def _make(self, wanted: WantedWireGuard, alias: Alias) -> None:
        self._backend.create(wanted.interface, alias)
        self._configure(replace(wanted, endpoint=wanted.endpoint or self._endpoints.get(wanted.interface)))
        self._set_link(wanted, frozenset())

    def verify(self, wanted: Wanted) -> Sequence[Finding]:
        """What is no longer as it was made. An interface that vanished is made again; nothing else is touched."""
        seen = self._look(wanted)
        known = {each.tunnel: self._known(each) for each in wanted.wireguard}
        planned = planning.plan(wanted, seen, known)
        found = [Finding(self.name, refusal.target, refusal.text, refusal.mend) for refusal in planned.refusals]
        found += [self._judged(change, seen) for change in planned.changes if not change.removes]
        for tunnel, keys in known.items():
            if keys.staged is not None:
                text = "new keys stand beside those in force: exchanging them was begun and not ended"
                found.append(Finding(self.name, tunnel, text, f"pointsman keys rotate {tunnel} goes on with it"))
        return found

    def report(self, wanted: Wanted) -> dict[str, dict[str, Any]]:
        """The facts of each tunnel, existing ones included: see `facts_of`."""
        seen, now = self._look(wanted), self._clock()
        ages = self._keys.ages()
        told = {
            each.tunnel: {"port": each.port, **facts_of(each.interface, seen, ages.get(each.tunnel), now)}
            for each in wanted.wireguard
        }
        return told | {
            each.tunnel: {"existing": True, **facts_of(each.interface, seen, None, now)} for each in wanted.existing
        }

    def _judged(self, change: Change, seen: Seen) -> Finding:
        how = change.how
        vanished = isinstance(how, Make) and how.wanted.interface in seen.configured
        if not vanished:
            return Finding(self.name, change.target, f"not as it should be: {change.text}", "pointsman apply")
        text = f"{how.wanted.interface} was gone"
        try:
            self.do(change)
        except ProvisionError as error:
            return Finding(self.name, change.target, f"{text}, and cannot be made: {error}", error.mend)
        return Finding(self.name, change.target, f"{text}: made again", repaired=True)

    def _look(self, wanted: Wanted) -> Seen:
        names = [each.interface for each in wanted.wireguard]
        seen = self._machine.look(names, {each.port for each in wanted.wireguard})
        for name in names:
            device = seen.interfaces[name].device if name in seen.interfaces else None
            # One that is made again knows nobody, and else waits for its peer to notice that, which takes 15 s.
            for peer in device.peers if device is not None else ():
                if peer.endpoint is not None:
                    self._endpoints[name] = peer.endpoint
        return seen

    def _known(self, each: WantedWireGuard) -> KnownKeys:
        try:
            return KnownKeys(self._keys.of(each.tunnel), self._keys.staged(each.tunnel))
        except ProvisionError as error:
            return KnownKeys(fault=str(error), mend=error.mend)

    def _make_keys(self, how: MakeKeys) -> None:
        """All at once, by the first; where that fails, those of this tunnel alone, so that its own fault is told."""
        keys = self._keys.of(how.wanted.tunnel)
        if keys is not None and (keys.preshared is not None or not how.wanted.preshared):
            return
        preshared = {each.tunnel for each in how.together if each.preshared}
        try:
            self._keys.make([each.tunnel for each in how.together], preshared=preshared)
        except ProvisionError:
            self._keys.make([how.wanted.tunnel], preshared=preshared)

    def _configure(self, wanted: WantedWireGuard, *, peer_only: bool = False) -> None:
        keys = self._keys_in_use(wanted)
        self._backend.configure(wanted.interface, end_of(wanted, keys), peer_only=peer_only)
        if self._backend.public_key(wanted.interface) != keys.hub_public:
            path = self._keys.directory / wanted.tunnel / "hub.pub"
            text = f"{path} is not the public half of hub.key, so the branch has a wrong one"
            raise ProvisionError(text, f"remove {path}: it is made again by the next apply")

    def _keys_in_use(self, wanted: WantedWireGuard) -> TunnelKeys:
        """The new ones while keys are being exchanged and the interface has them, else those in force."""
        staged, device = self._keys.staged(wanted.tunnel), self._machine.device(wanted.interface)
        if staged is not None and device is not None and device.own == staged.hub:
            return staged
        keys = self._keys.of(wanted.tunnel)
        if keys is None:
            raise ProvisionError(f"{wanted.tunnel} has no keys", "apply once more")
        return keys

    def _set_link(self, wanted: WantedWireGuard, present: frozenset[str], alias: Alias | None = None) -> None:
        self._backend.set_link(wanted.interface, wanted.mtu, written_alike(wanted.addresses), present, alias)
