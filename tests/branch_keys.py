"""A branch that made its own key, as docs/how-to/exchange-keys.md says how that is told to the hub."""

from __future__ import annotations

from hub.provisioner.keys.store import KeyStore


def made_its_own(store: KeyStore, tunnel: str, public: str) -> None:
    """The branch's private key is here no more, and its public half is this one."""
    folder = store.directory / tunnel
    (folder / "branch.key").unlink()
    (folder / "branch.pub").write_text(f"{public}\n")
