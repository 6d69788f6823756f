"""Targets as operators write them, against what is configured: of what is not there it is said what may be meant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from policies.model.ids import TunnelId
from policies.model.intent import Branch, Intent
from policies.model.overrides import Scope, Target
from policies.overrides.errors import NotDoneError

LONGEST = 100
"""Characters of a target; no more of it is looked for or said again."""
_NAMED = 8
"""So many names are said, of more only how many they are."""
_FORMS = "write bandung/fiber, bandung, isp:telkom, hub:hq/telkom or hub:hq"


class NoTargetError(NotDoneError):
    """What was written means nothing here; the text says the thing and the mend."""


def read_target(text: str, intent: Intent) -> Target:
    """The target that is written so, which means at least one tunnel.

    Raises:
        NoTargetError: it is not written as a target is, or there is nothing of that name.
    """
    text = text.strip()[:LONGEST]
    target = Target(text)
    match target.scope:
        case Scope.TUNNEL:
            read_tunnel(text, intent)
        case Scope.BRANCH:
            read_branch(text, intent)
        case Scope.ISP:
            _check_isp(text, intent)
        case Scope.HUB | Scope.HUB_UPLINK:
            _check_hub(text, intent)
    if not target.tunnels(intent):
        raise NoTargetError(f"no tunnel goes over {text}")
    return target


def read_branch(name: str, intent: Intent) -> Branch:
    """The branch of this name.

    Raises:
        NoTargetError: there is none.
    """
    name = name.strip()[:LONGEST]
    if name in intent.branches:
        return intent.branches[name]
    if not name:
        raise NoTargetError(f"nothing is named: {_FORMS}")
    meant = _otherwise_known(name, intent)
    mend = f"write {meant}" if meant else _meant(name, intent.branches, "there are")
    raise NoTargetError(f'there is no branch "{name}": {mend}')


def read_tunnel(text: str, intent: Intent) -> TunnelId:
    """The tunnel that is written `branch/tunnel`.

    Raises:
        NoTargetError: there is none.
    """
    name, _, tunnel = text.strip()[:LONGEST].partition("/")
    return read_tunnel_of(read_branch(name, intent), tunnel)


def read_tunnel_of(branch: Branch, text: str) -> TunnelId:
    """A tunnel of this branch, written with or without the branch's name.

    Raises:
        NoTargetError: the branch has no such tunnel.
    """
    name = text.strip()[:LONGEST].removeprefix(f"{branch.name}/")
    names = [tunnel.id.name for tunnel in branch.tunnels]
    if name in names:
        return TunnelId(branch.name, name)
    raise NoTargetError(f"there is no tunnel {branch.name}/{name}: {_meant(name, names, 'its tunnels are')}")


def _otherwise_known(name: str, intent: Intent) -> str | None:
    """How to write what is no branch, but an ISP or the hub, or a kind of target that there is not."""
    if name in _isps(intent):
        return f"isp:{name} for all tunnels with that ISP"
    if name == intent.hub.name:
        return f"hub:{name} for all tunnels of the hub"
    if name == "hub" or ":" in name:
        hub, uplinks, isps = f"hub:{intent.hub.name}", sorted(intent.hub.uplinks), sorted(_isps(intent))
        of_uplink = f"{hub}/{_near(name, uplinks)} for those of one uplink, " if uplinks else ""
        of_isp = f"isp:{_near(name, isps)}" if isps else "isp:NAME"
        return f"{hub} for all tunnels of the hub, {of_uplink}{of_isp} for those with an ISP"
    return None


def _near(text: str, names: Sequence[str]) -> str:
    """Of these names that which is said behind the colon, else the first."""
    said = text.rpartition(":")[2]
    return said if said in names else names[0]


def _check_isp(text: str, intent: Intent) -> None:
    name = text.removeprefix("isp:")
    if name not in _isps(intent):
        raise NoTargetError(f'there is no ISP "{name}": {_meant(name, _isps(intent), "the tunnels are with")}')


def _check_hub(text: str, intent: Intent) -> None:
    hub, slash, uplink = text.removeprefix("hub:").partition("/")
    if hub != intent.hub.name:
        raise NoTargetError(f'there is no hub "{hub}" here: this one is hub:{intent.hub.name}')
    if slash and uplink not in intent.hub.uplinks:
        mend = _meant(uplink, intent.hub.uplinks, "its uplinks are")
        raise NoTargetError(f'hub {hub} has no uplink "{uplink}": {mend}')


def _isps(intent: Intent) -> frozenset[str]:
    tunnels = [tunnel for branch in intent.branches.values() for tunnel in branch.tunnels]
    return frozenset(isp for tunnel in tunnels for isp in (tunnel.uplink.isp, tunnel.hub_uplink.isp))


def _meant(name: str, known: Iterable[str], there_are: str) -> str:
    """What helps: the names that there are, or of many the one that is near."""
    names = sorted(known)
    if not names:
        return "there is none at all"
    near = get_close_matches(name, names, 1)
    if near and len(names) > 2:
        return f'did you mean "{near[0]}"?'
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{there_are} {', '.join(names[:_NAMED])}{more}"
