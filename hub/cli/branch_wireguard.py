"""The branch's end of one WireGuard tunnel as text, with these keys: what `router print` shows of it."""

from __future__ import annotations

from hub.branch_router.end import WireGuardEnd
from hub.branch_router.from_intent import end_of
from hub.branch_router.secrets import Secrets
from hub.branch_router.wg_quick import wg_quick_config
from hub.provisioner.keys.folder import TunnelKeys
from policies.model.ids import TunnelId
from policies.model.intent import Intent

ONLY_WG_QUICK = ("Address", "MTU", "Table", "PostUp", "PreUp", "PostDown", "PreDown", "DNS", "SaveConfig")
"""What wg-quick(8) adds to the configuration of wg(8), and `wg-quick strip` takes away."""


def branch_wireguard(intent: Intent, tunnel: str, keys: TunnelKeys, *, plain: bool) -> str:
    """The file for wg-quick, or with `plain` only what `wg syncconf` takes.

    Where the branch made its own key, words in angle brackets stand for it.
    """
    end = end_of(intent.hub, intent.branches[TunnelId.parse(tunnel).branch])
    found = next(each for each in end.tunnels if each.name == tunnel)
    carrier = found.carrier if isinstance(found.carrier, WireGuardEnd) else WireGuardEnd()
    secrets = Secrets(
        private={tunnel: keys.branch.reveal()} if keys.branch is not None else {},
        preshared={tunnel: keys.preshared.reveal()} if keys.preshared is not None else {},
        hub_public={tunnel: keys.hub_public},
        own_public={tunnel: keys.branch_public},
    )
    text = wg_quick_config(end, found, carrier, secrets)
    if not plain:
        return text
    lines = text.splitlines(keepends=True)
    return "".join(line for line in lines if line.partition("=")[0].strip() not in ONLY_WG_QUICK)
