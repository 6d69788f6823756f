"""The kinds of what the ends of a tunnel know each other by, as `keys rotate` exchanges them: keys, or a secret.

Each says what is in force and what is new, what the branch is brought, and how all that is called.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from hub.cli.key_bringing import NotBroughtError, router_print
from hub.provisioner.ipsec.secret_exchange import SecretFiles
from hub.provisioner.keys.folder import TunnelKeys
from hub.provisioner.keys.secret import Secret
from hub.provisioner.keys.store import KeyStore

if TYPE_CHECKING:
    from policies.model.intent import Intent

Report = dict[str, Any]
Held = TunnelKeys | Secret


@dataclass(frozen=True, slots=True)
class Words:
    """A Words is how a kind is called. `proof` is what shows that the branch has the new; `it` is the new, `ones` not.

    `where` is what the text for the branch is there.
    """

    what: str
    are: str
    stand: str
    it: str
    ones: str
    proof: str
    where: str


class Kind(Protocol):
    """A Kind is what one tunnel has. `present` and `staged` raise ProvisionError.

    `is_heard`: liveness has to hear the branch, too.
    """

    @property
    def words(self) -> Words:
        """How it is called."""

    @property
    def is_heard(self) -> bool:
        """Whether the branch must be heard by liveness, too, before the new counts."""

    @property
    def shown(self) -> str:
        """The command that shows the branch's end with what is in force."""

    def present(self) -> Held | None:
        """What is in force."""

    def staged(self) -> Held | None:
        """What stands beside it."""

    def text(self, held: Held | None) -> str:
        """The branch's text with this.

        Raises:
            NotBroughtError: there is none.
        """

    def why_not_pushed(self) -> str:
        """Why no program can bring a whole text to the branch; nothing where one can."""

    def at_hub(self, report: Report) -> str:
        """What the hub's end has now."""

    def lacking(self, report: Report) -> str:
        """What was not seen yet."""


_GONE = "somebody else ended the exchange of its {}"


@dataclass(frozen=True, slots=True)
class WireGuardKeys:
    """A WireGuardKeys is the keys of both ends, and the preshared one; `plain`: the text is for wg, not wg-quick."""

    intent: Intent
    tunnel: str
    store: KeyStore
    config: Path
    plain: bool

    words = Words(
        "keys", "are", "stand", "them", "ones", "a handshake with the new keys", "the configuration of {tunnel}"
    )
    is_heard = False

    @property
    def shown(self) -> str:
        """The command that shows the branch's end with the keys in force."""
        return router_print(self.tunnel, "wg-quick", self.config, self.store.directory.parent)

    def present(self) -> TunnelKeys | None:
        """The keys in force."""
        return self.store.of(self.tunnel)

    def staged(self) -> TunnelKeys | None:
        """The new ones."""
        return self.store.staged(self.tunnel)

    def text(self, held: Held | None) -> str:
        """The branch's file for wg-quick, or for wg."""
        from hub.cli.branch_wireguard import branch_wireguard

        if not isinstance(held, TunnelKeys):
            raise NotBroughtError(_GONE.format("keys"))
        return branch_wireguard(self.intent, self.tunnel, held, plain=self.plain)

    def why_not_pushed(self) -> str:
        """That the branch made its own key."""
        keys = self.present()
        if keys is None or keys.branch is not None:
            return ""
        text = f"{self.tunnel}: its branch made its own key, which only it has, so no whole text can be brought there"
        return f"{text}: leave --push-with out, and write the hub's new public key there yourself"

    def at_hub(self, report: Report) -> str:
        """The interface, and its public key."""
        return f"{report['interface']} has its new key {report['hub_public']}"

    def lacking(self, _report: Report) -> str:
        """A handshake."""
        return f"no {self.words.proof.removeprefix('a ')}"


@dataclass(frozen=True, slots=True)
class IpsecSecret:
    """An IpsecSecret is the secret in a psk-file; the branch's text is that of all its IPsec tunnels."""

    intent: Intent
    tunnel: str
    file: str
    files: SecretFiles
    config: Path

    words = Words(
        "secret", "is", "stands", "it", "one", "an SA by the new secret, and an answer over it",
        "/etc/swanctl/conf.d/pointsman.conf of {branch}, then swanctl --load-creds",
    )  # fmt: skip
    is_heard = True

    @property
    def shown(self) -> str:
        """The command that shows the branch's end with the secret in force."""
        return router_print(self.tunnel, "swanctl", self.config, self.files.directory.parent)

    def present(self) -> Secret:
        """The secret in force."""
        return self.files.present(self.file)

    def staged(self) -> Secret | None:
        """The new one."""
        return self.files.staged(self.tunnel, self.file)

    def text(self, held: Held | None) -> str:
        """The branch's file for strongSwan. Other tunnels of it have what the hub has of them now."""
        from hub.branch_router.from_intent import end_of
        from hub.branch_router.secrets import Secrets
        from hub.branch_router.swanctl import swanctl_config

        if not isinstance(held, Secret):
            raise NotBroughtError(_GONE.format("secret"))
        end = end_of(self.intent.hub, self.intent.branches[self.tunnel.partition("/")[0]])
        found = {
            each.name: self.files.in_use(each.name, carrier.secret_file)
            for each, carrier in end.ipsec()
            if carrier.secret_file is not None and each.name != self.tunnel
        }
        try:
            preshared = {name: secret.reveal() for name, secret in {**found, self.tunnel: held}.items()}
        except UnicodeDecodeError:
            raise NotBroughtError(f"a secret of {end.name} is no text, so no file can hold it") from None
        return swanctl_config(end, Secrets(preshared=preshared))

    def why_not_pushed(self) -> str:
        """Nothing: all that the branch needs is here."""
        return ""

    def at_hub(self, _report: Report) -> str:
        """charon, and what became of the SA."""
        return f"charon has the new secret of {self.tunnel}, its SA was ended"

    def lacking(self, report: Report) -> str:
        """An SA, or an answer over it."""
        if report.get("established"):
            return "an SA by the new secret, but no answer over it"
        return "no SA by the new secret"


def kind_of(intent: Intent, tunnel: str, report: Report, *, config: Path, plain: bool) -> Kind:
    """What a tunnel has, by what the provisioner answered to `rotate-status`."""
    directory, file = Path(str(report["keys"])), report.get("secret_file")
    if file is not None:
        return IpsecSecret(intent, tunnel, str(file), SecretFiles(directory), config)
    return WireGuardKeys(intent, tunnel, KeyStore(directory), config, plain)
