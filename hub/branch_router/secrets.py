"""The secrets of a branch's end, and the words that stand for those which are not to be shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


class Hidden(Protocol):
    """A secret text that shows itself nowhere by accident."""

    def reveal(self) -> str:
        """The text."""


class TunnelKeys(Protocol):
    """The WireGuard keys of both ends of a tunnel, base64."""

    @property
    def branch(self) -> Hidden | None:
        """The branch's private key; None where only the branch has it."""

    @property
    def branch_public(self) -> str:
        """Its public half."""

    @property
    def hub_public(self) -> str:
        """The public half of the hub's own key."""

    @property
    def preshared(self) -> Hidden | None:
        """The secret of both ends beside the keys, None for none."""


class Keys(Protocol):
    """Where the keys of tunnels are."""

    def of(self, tunnel: str) -> TunnelKeys | None:
        """The keys of a tunnel, by its name like `bandung/fiber`; None where none have been made yet."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """A Secrets is what may be shown of a branch's secrets; in place of the rest stand words in angle brackets.

    `private`, `preshared` (WireGuard's, and IKE's pre-shared keys), `hub_public` and `own_public` are by tunnel.
    """

    password: str | None = field(default=None, repr=False)
    private: Mapping[str, str] = field(default_factory=dict, repr=False)
    preshared: Mapping[str, str] = field(default_factory=dict, repr=False)
    hub_public: Mapping[str, str] = field(default_factory=dict)
    own_public: Mapping[str, str] = field(default_factory=dict)

    def password_of(self, branch: str) -> str:
        """The password of a branch's BGP sessions; one word, because FRR takes no more."""
        return self.password or f"<password-of-{branch}>"

    def private_key(self, tunnel: str) -> str:
        """The branch's own key of a tunnel."""
        return self.private.get(tunnel) or f"<private key of {tunnel}>"

    def preshared_key(self, tunnel: str) -> str:
        """The secret that both ends of a tunnel share."""
        return self.preshared.get(tunnel) or f"<preshared key of {tunnel}>"

    def hub_public_key(self, tunnel: str) -> str:
        """The public half of the hub's key of a tunnel."""
        return self.hub_public.get(tunnel) or f"<public key of the hub for {tunnel}>"

    def own_public_key(self, tunnel: str) -> str:
        """The public half of the branch's own key of a tunnel."""
        return self.own_public.get(tunnel) or f"<public key of {tunnel}>"


NO_SECRETS = Secrets()
