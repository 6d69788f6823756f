"""A branch that is about to be written: what was said of it, what the network proposes for the rest, its file's text.

Pure. What nothing can be proposed for is written as TODO, which `check` finds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hub.config.names import KINDS, listed, write_instead
from hub.config.scalars import TODO, UnreadableError, read_name
from policies.model.ids import Prefix

STAND_IN = "to-be-written"
"""A name in the place of TODO, by which the rest of a file can be judged."""
USUAL_UPLINKS = ("fiber", "wireless")
TRANSPORTS = ("wireguard", "ipsec")
_WORDS = ("metered", "behind-nat", *TRANSPORTS, *KINDS)
_COLUMN = 34
"""Where comments begin, if what is before them is not too long."""


@dataclass(frozen=True, slots=True)
class NewUplink:
    """A NewUplink is an uplink of a new branch, with its tunnel; `kind` None: its name says it, or nothing does."""

    name: str
    isp: str
    kind: str | None = None
    metered: bool = False
    behind_nat: bool = False
    transport: str | None = None


@dataclass(frozen=True, slots=True)
class NewBranch:
    """A NewBranch is all that is to be written of a branch; `asn` None: it is in the hub's AS, by iBGP.

    `transport` is that of the tunnels whose uplink does not say its own. `schema` is the first line of the file, by
    which an editor knows its keys; "" for none.
    """

    name: str
    asn: int | None
    prefixes: tuple[Prefix, ...]
    uplinks: tuple[NewUplink, ...]
    router: str | None = None
    router_id: str | None = None
    transport: str = "wireguard"
    schema: str = ""

    @property
    def file(self) -> str:
        """Relative to the directory."""
        return branch_file(self.name)

    def transport_of(self, uplink: NewUplink) -> str:
        """How the tunnel over this uplink is made."""
        return uplink.transport or self.transport

    @property
    def waits(self) -> bool:
        """Whether something is still to be written by hand."""
        return any(uplink.isp == TODO for uplink in self.uplinks)


def branch_file(name: str) -> str:
    """The file of a branch, relative to the directory."""
    return f"branches/{name}.yaml"


def read_uplink(text: str) -> NewUplink:
    """`fiber:telkom`, `wireless:indosat,metered`, `backup:indosat,lte,metered,ipsec`.

    Raises:
        UnreadableError: it is not of this form.
    """
    name, colon, rest = text.partition(":")
    isp, *words = rest.split(",")
    if not colon or not isp:
        mend = f"write it like {name or 'fiber'}:telkom, or wireless:indosat,metered"
        raise UnreadableError(f'"{text[:60]}" is no NAME:ISP', mend)
    for word in words:
        if word not in _WORDS:
            raise UnreadableError(f'"{word[:60]}" is none of {listed(_WORDS)}', write_instead(word, _WORDS))
    kinds, transports = ([word for word in words if word in known] for known in (KINDS, TRANSPORTS))
    for found in (kinds, transports):
        if len(found) > 1:
            raise UnreadableError(f'"{text[:60]}" is {" and ".join(found)} at once', "leave one of them")
    return NewUplink(
        name=read_name(name),
        isp=isp if isp == TODO else read_name(isp),
        kind=kinds[0] if kinds and kinds[0] != name else None,
        metered="metered" in words,
        behind_nat="behind-nat" in words,
        transport=transports[0] if transports else None,
    )


def usual_uplinks() -> tuple[NewUplink, ...]:
    """What a branch with a tunnel to spare has; with whom, nobody here can know."""
    return tuple(NewUplink(name, TODO) for name in USUAL_UPLINKS)


def text_of(branch: NewBranch, *, judged: bool = False) -> str:
    """The text of its file; with `judged` as if nothing were left to be written."""
    lines = [branch.schema, "#"] if branch.schema else []
    lines += _head(branch)
    lines += [""]
    if branch.asn is None:
        lines.append(_with("bgp: ibgp", "in the hub's own AS: steered by local preference, not by MED"))
    else:
        lines.append(_with(f"as: {branch.asn}", "its own: neither the hub nor another branch has it"))
    lines += _prefixes(branch.prefixes)
    if branch.router_id is not None:
        lines.append(_with(f"router-id: {branch.router_id}", "who it is in BGP"))
    if branch.router is not None:
        lines.append(_with(f"router: {{kind: {branch.router}}}", 'for "pointsman router print"'))
    lines += _uplinks(branch.uplinks)
    lines += _tunnels(branch)
    text = "\n".join(lines) + "\n"
    return text.replace(f"isp: {TODO}", f"isp: {STAND_IN}") if judged else text


def _head(branch: NewBranch) -> list[str]:
    tunnels = [f"{branch.name}/{uplink.name}" for uplink in branch.uplinks]
    whose = "Its" if len(tunnels) == 1 else "Their"
    return [
        f"# One tunnel for each uplink: {_folded(tunnels)}.",
        f"# {whose} link addresses, ports and ends at the hub are in allocations.yaml. Keys are in none of these.",
        '# What else can be written here: docs/reference/configuration.md. What is wrong: "pointsman check".',
    ]


def _folded(tunnels: list[str]) -> str:
    *rest, last = tunnels
    shown = ", ".join(rest[:4]) + (f" and {len(rest) - 4} more" if len(rest) > 4 else "")
    return f"{shown} and {last}" if rest else last


def _with(text: str, comment: str) -> str:
    return f"{text:<{_COLUMN - 1}} # {comment}"


def _prefixes(prefixes: Iterable[Prefix]) -> list[str]:
    every = [str(prefix) for prefix in prefixes]
    comment = "all that it may announce, and all that its tunnels may bring"
    if len(every) == 1:
        return [_with(f"prefixes: [{every[0]}]", comment)]
    return [_with("prefixes:", comment), *(f"  - {prefix}" for prefix in every)]


def _uplinks(uplinks: tuple[NewUplink, ...]) -> list[str]:
    widest = max(len(uplink.name) for uplink in uplinks) + 1
    lines = [_with("uplinks:", "the policy's prefer says which is used first, not this order")]
    for uplink in uplinks:
        keys = [f"isp: {uplink.isp}"]
        keys += [f"kind: {uplink.kind}"] if uplink.kind else []
        keys += ["metered: true"] if uplink.metered else []
        keys += ["behind-nat: true"] if uplink.behind_nat else []
        text = f"  {f'{uplink.name}:':<{widest}} {{{', '.join(keys)}}}"
        comment = _of_uplink(uplink)
        lines.append(_with(text, comment) if comment else text)
    return lines


def _of_uplink(uplink: NewUplink) -> str:
    if uplink.isp == TODO:
        return f"{TODO}: whose line is it? small letters, like telkom"
    if uplink.metered:
        return "paid by the byte"
    if uplink.kind is None and uplink.name not in KINDS:
        return "its kind is not said, so it is other"
    return ""


def _tunnels(branch: NewBranch) -> list[str]:
    """Only of those that are not as usual."""
    ipsec = [uplink for uplink in branch.uplinks if branch.transport_of(uplink) == "ipsec"]
    if not ipsec:
        return []
    widest = max(len(uplink.name) for uplink in ipsec) + 1
    lines = [_with("tunnels:", "psk-file is a file in secrets/ of the state directory, never in this one")]
    for uplink in ipsec:
        keys = f"{{transport: ipsec, auth: {{psk-file: {psk_file(branch, uplink)}}}}}"
        lines.append(f"  {f'{uplink.name}:':<{widest}} {keys}")
    return lines


def psk_file(branch: NewBranch, uplink: NewUplink) -> str:
    """The file of the secret of an IPsec tunnel, relative to `secrets`."""
    return f"{branch.name}-{uplink.name}.psk"
