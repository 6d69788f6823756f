"""Exchanging the secret of one IPsec tunnel: charon takes the new one, and goes back if the branch never has it.

    begin       a new secret is made beside the one in force, charon gets it in place of that, the SA is ended, and
                where the branch has a fixed address the hub begins another; once more, and the hub begins once more
    status      whether there is an SA that was made since, and something was heard over it
    commit      the new secret is the one in force; refused without that, unless it is wanted unverified
    rollback    charon gets the old one again, the SA is ended, and the new one is gone

An SA that is up says nothing of a secret: only making one asks for it. So all of the tunnel are ended when charon has
the new one, until none is left that rekeying could carry on, and only one with a larger number counts. The new secret
is never thrown away while charon may have it. What these answer holds no secret.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from hub.provisioner.changes import ProvisionError
from hub.provisioner.ipsec.backend import Backend
from hub.provisioner.ipsec.charon import Charon, connected
from hub.provisioner.ipsec.memory import recall
from hub.provisioner.ipsec.names import connection_name
from hub.provisioner.ipsec.sas import Message, has_heard, is_established, number_of, state_of
from hub.provisioner.ipsec.secret_exchange import Exchange, SecretFiles, Stage
from hub.provisioner.ipsec.seen import material_of
from hub.provisioner.ipsec.steps import LoadSecret
from hub.provisioner.keys.secret import Secret
from hub.provisioner.wanted import Wanted, WantedIpsec

Report = dict[str, Any]
_ROUNDS, _PAUSE = 30, 0.1
"""How often, and after how many seconds, it is looked whether the SAs that were ended are no more."""


class SecretRotation:
    """A SecretRotation exchanges secrets on this machine, one step a call. Every method raises ProvisionError.

    `wanted` is what the provisioner was told last, None for nothing.
    """

    def __init__(self, wanted: Callable[[], Wanted | None], backend: Backend) -> None:
        self._wanted = wanted
        self._backend = backend
        self._files = SecretFiles(backend.secrets)

    def has(self, tunnel: str) -> bool:
        """Whether this is an IPsec tunnel that is wanted."""
        return any(each.tunnel == tunnel for each in self._tunnels())

    def begin(self, tunnel: str) -> Report:
        """Make a new secret, and give it to charon; where that was done before, the hub begins once more."""
        wanted, name = self._exchangeable(tunnel)
        with connected(self._backend.vici) as charon:
            if name not in charon.connections():
                raise ProvisionError(f"{tunnel} is not in charon", "make it first: pointsman apply --only tunnels")
        exchange = self._files.begin(tunnel, _file(wanted))
        if not self._is_switched(wanted, name, exchange):
            self._switch(wanted, name, exchange)
        self._call(wanted, name)
        return self.status(tunnel)

    def status(self, tunnel: str) -> Report:
        """How far it is."""
        wanted, name = self._exchangeable(tunnel)
        exchange = self._files.exchange(tunnel, _file(wanted))
        made, heard = (False, False) if exchange is None else self._since(wanted, name, exchange)
        return {
            "tunnel": tunnel,
            "interface": wanted.interface,
            "keys": str(self._files.directory),
            "secret_file": wanted.secret_file,
            "hub_begins": wanted.remote is not None,
            "exchanging": exchange is not None,
            "switched": exchange is not None and self._is_switched(wanted, name, exchange),
            "established": made,
            "verified": heard,
        }

    def commit(self, tunnel: str, *, unverified: bool = False) -> Report:
        """The new secret is the one in force, if the branch has shown that it has it.

        With `unverified` without that: for a branch that cannot show anything before somebody brings it its secret.
        """
        wanted, name = self._exchangeable(tunnel)
        exchange = self._files.exchange(tunnel, _file(wanted))
        if exchange is None:
            raise ProvisionError(f"{tunnel}: no secret is being exchanged", f"pointsman keys rotate {tunnel}")
        if not self._is_switched(wanted, name, exchange):
            text = f"{tunnel}: charon has not its new secret"
            raise ProvisionError(text, f"pointsman keys rotate {tunnel} goes on with it")
        if not (unverified or self._since(wanted, name, exchange)[1]):
            text = f"{tunnel}: nothing was heard over an SA made by its new secret"
            raise ProvisionError(text, "give it to the branch, or go back: pointsman keys rotate --back " + tunnel)
        self._files.commit(_file(wanted))
        return {"tunnel": tunnel, "committed": True}

    def rollback(self, tunnel: str) -> Report:
        """charon has the old secret again, and the new one is gone; `was` says whether there was any."""
        wanted, name = self._with_secret(tunnel)
        file = _file(wanted)
        exchange = self._files.exchange(tunnel, file)
        if exchange is not None and exchange.stage is not Stage.STAGED:
            self._files.mark(file, replace(exchange, stage=Stage.GOING_BACK))
            self._backend.do(LoadSecret(name, wanted))
            self._end(name)
            with suppress(ProvisionError):  # the old secret holds; who begins is another matter
                self._call(wanted, name)
        self._files.abandon(file)
        return {"tunnel": tunnel, "was": exchange is not None}

    def _switch(self, wanted: WantedIpsec, name: str, exchange: Exchange) -> None:
        """Give charon the new secret, and end what was made by the old one."""
        file = _file(wanted)
        self._files.mark(file, replace(exchange, stage=Stage.SWITCHING))
        try:
            self._backend.do(LoadSecret(name, wanted))
        except ProvisionError as error:
            self._not_loaded(wanted, name, replace(exchange, stage=Stage.GOING_BACK), error)
            raise
        floor, started = self._end(name)
        self._files.mark(file, replace(exchange, stage=Stage.SWITCHED, floor=floor, charon=started))

    def _not_loaded(self, wanted: WantedIpsec, name: str, back: Exchange, error: ProvisionError) -> None:
        """charon may have taken it all the same: the new one goes only when it has the old one for sure."""
        try:
            self._files.mark(_file(wanted), back)
            self._backend.do(LoadSecret(name, wanted))
        except ProvisionError:
            text = f"{error}; it is not known which secret charon has now, so the new one is kept beside the old"
            mend = f"pointsman keys rotate {wanted.tunnel} goes on with it; with --back charon has the old one again"
            raise ProvisionError(text, mend) from None
        self._files.abandon(_file(wanted))

    def _end(self, name: str) -> tuple[int, str]:
        """End all SAs of a tunnel: the largest number that one had, and when charon was started."""
        floor = 0
        with connected(self._backend.vici) as charon:
            for _ in range(_ROUNDS):
                found = _sas(charon, name)
                floor = max([floor, *map(number_of, found)])
                left = [sa for sa in found if state_of(sa) != "DELETING"]
                if not left:
                    return floor, charon.started()
                for sa in left:
                    with suppress(ProvisionError):  # gone already; the next look says so
                        charon.end(number_of(sa))
                time.sleep(_PAUSE)
        raise ProvisionError(f"charon does not end the SA of {name}", "look at its log: journalctl -u strongswan")

    def _call(self, wanted: WantedIpsec, name: str) -> None:
        """Have the hub begin, where it knows with whom and has not begun already."""
        if wanted.remote is None:
            return
        with connected(self._backend.vici) as charon:
            if all(state_of(sa) == "DELETING" for sa in _sas(charon, name)):
                charon.initiate(name)

    def _is_switched(self, wanted: WantedIpsec, name: str, exchange: Exchange) -> bool:
        """Whether charon has the new secret, and no SA made by the old one."""
        if exchange.stage is not Stage.SWITCHED:
            return False
        memory = recall(self._backend.state)
        digest = material_of(wanted, memory, self._backend.secrets).digest
        with connected(self._backend.vici) as charon:
            return name in charon.shared() and bool(digest) and memory.secrets.get(name) == digest

    def _since(self, wanted: WantedIpsec, name: str, exchange: Exchange) -> tuple[bool, bool]:
        """Whether there is an SA that was made by the new secret, and whether something was heard over it."""
        if not self._is_switched(wanted, name, exchange):
            return False, False
        with connected(self._backend.vici) as charon:
            floor = exchange.floor if charon.started() == exchange.charon else 0
            found = [sa for sa in _sas(charon, name) if number_of(sa) > floor and is_established(sa)]
        return bool(found), any(map(has_heard, found))

    def _tunnels(self) -> Iterable[WantedIpsec]:
        wanted = self._wanted()
        return () if wanted is None else wanted.ipsec

    def _with_secret(self, tunnel: str) -> tuple[WantedIpsec, str]:
        """The tunnel, and how its connection is called."""
        wanted = self._wanted()
        found = [each for each in self._tunnels() if each.tunnel == tunnel]
        if wanted is None or not found:
            raise ProvisionError(f"{tunnel} is no IPsec tunnel here", "make it first: pointsman apply --only tunnels")
        if found[0].secret_file is None:
            text = f"{tunnel} has the certificate {found[0].certificate_file}, which is not exchanged here"
            raise ProvisionError(text, "exchange it by hand: docs/how-to/exchange-keys.md")
        return found[0], connection_name(wanted.network, tunnel)

    def _exchangeable(self, tunnel: str) -> tuple[WantedIpsec, str]:
        """The same, if its secret may be exchanged: it is its alone, and its file can be replaced."""
        wanted, name = self._with_secret(tunnel)
        file = _file(wanted)
        others = [each.tunnel for each in self._tunnels() if each.tunnel != tunnel and file in _files(each)]
        if others:
            text = f"{tunnel} has its secret together with {', '.join(sorted(others))}: {self._files.directory / file}"
            raise ProvisionError(text, f"give each a psk-file of its own first, as {tunnel.replace('/', '-')}.psk")
        self._files.check(file)
        if alike := self._alike(wanted, self._files.present(file)):
            text = f"{tunnel} has the same secret as {alike}, and an identity too: it is not seen which of both is used"
            raise ProvisionError(text, f"write another secret for {alike} first, or give each a hub-id of its own")
        return wanted, name

    def _alike(self, wanted: WantedIpsec, secret: Secret) -> str:
        """Another tunnel with this secret and an identity of this one: charon takes its secret for this one, too."""
        ours = {wanted.hub_identity, wanted.branch_identity}
        for each in self._tunnels():
            if each.tunnel == wanted.tunnel or each.secret_file is None:
                continue
            if ours & {each.hub_identity, each.branch_identity}:
                with suppress(ProvisionError):  # charon has none of it, then
                    if self._files.present(each.secret_file) == secret:
                        return each.tunnel
        return ""


def _sas(charon: Charon, name: str) -> list[Message]:
    return [sa for each, sa in charon.sas() if each == name]


def _file(wanted: WantedIpsec) -> str:
    return wanted.secret_file or ""


def _files(wanted: WantedIpsec) -> tuple[str | None, ...]:
    return (wanted.secret_file, wanted.key_file, wanted.certificate_file, wanted.authority_file)
