"""What is missing of tunnels' keys, made for all of them at once: one program for all pairs, one for the preshared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hub.provisioner.keys.folder import Parts, TunnelKeys
from hub.provisioner.keys.making import make_pairs, make_preshared, public_half
from hub.provisioner.keys.secret import Secret

_Pair = tuple[Secret, str]


def completed(every: Sequence[Parts], *, preshared: Sequence[bool], at: float) -> list[TunnelKeys]:
    """The same with nothing missing, in order. A branch whose public key is there without the private one made its own.

    Args:
        every: what there is of each tunnel.
        preshared: whether each is to have a preshared key.
        at: when they are made, for those of which nothing was there.

    Raises:
        ProvisionError: `wg` is missing or fails.
    """
    wanted = list(zip(every, preshared, strict=True))
    pairs = iter(make_pairs(sum((parts.hub is None) + _lacks_branch(parts) for parts in every)))
    secrets = iter(make_preshared(sum(want and parts.preshared is None for parts, want in wanted)))
    return [_whole(parts, pairs, secrets if want else iter(()), at) for parts, want in wanted]


def _lacks_branch(parts: Parts) -> bool:
    return parts.branch is None and parts.branch_public is None


def _whole(parts: Parts, pairs: Iterator[_Pair], secrets: Iterator[Secret], at: float) -> TunnelKeys:
    hub, hub_public = (parts.hub, parts.hub_public) if parts.hub is not None else next(pairs)
    branch, branch_public = next(pairs) if _lacks_branch(parts) else (parts.branch, parts.branch_public)
    return TunnelKeys(
        hub=hub,
        hub_public=hub_public or public_half(hub),
        branch=branch,
        branch_public=branch_public or _public_half_of(branch),
        preshared=parts.preshared or next(secrets, None),
        made=at if parts.made is None else parts.made,
    )


def _public_half_of(key: Secret | None) -> str:
    assert key is not None  # noqa: S101 - one of the two is there: see _lacks_branch
    return public_half(key)
