"""What `check` says of the cryptography of IPsec tunnels: proposals, the version of IKE, what RouterOS can do.

docs/reference/crypto.md has the table of what is refused, what is warned of, and why.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hub.config.document import Path
from hub.config.drafts import BranchDraft, TunnelDraft
from hub.config.problems import Problem, error, warning
from hub.config.proposals import complaints, routeros_cannot

_FOR_ROUTEROS = {"ike": "aes256-sha256-ecp256", "esp": "aes256gcm16-ecp256"}


def crypto_problems(branch: BranchDraft) -> Iterator[Problem]:
    """What is wrong with how the tunnels of a branch are encrypted, as far as that is written."""
    for tunnel in branch.tunnels:
        if tunnel.written.transport == "ipsec" and tunnel.written.existing is None:
            yield from _tunnel(branch, tunnel)


def _tunnel(branch: BranchDraft, tunnel: TunnelDraft) -> Iterator[Problem]:
    at: Path = ("tunnels", tunnel.id.name)
    if tunnel.written.ike_version == 1:
        place = branch.document.place(*at, "ike-version")
        yield error(place, "ike-version: 1 is retired (RFC 9395)", "remove it: 2 is what every router has")
    if tunnel.written.inner == "xfrm" and _is_routeros(branch):
        place = branch.document.place(*at, "inner")
        yield error(place, "inner: xfrm: RouterOS has no interface made of IPsec alone", "remove it: gre is usual")
    for key, proposals in (("ike", tunnel.written.ike), ("esp", tunnel.written.esp)):
        yield from _proposals(branch, (*at, key), proposals)


def _proposals(branch: BranchDraft, at: Path, proposals: Sequence[str]) -> Iterator[Problem]:
    key = str(at[-1])
    document, of_ike = branch.document, key == "ike"
    for index, proposal in enumerate(proposals):
        place = document.place(*at, index)
        for complaint in complaints(proposal, of_ike=of_ike):
            said = error if complaint.refused else warning
            yield said(place, f"{key}: {complaint.text}", complaint.mend)
        if proposal in proposals[:index]:
            yield error(place, f"{key}: {proposal} is here twice", "remove one of them")
    if not _is_routeros(branch):
        return
    cannot = [routeros_cannot(proposal, of_ike=of_ike) for proposal in proposals]
    what = "the IKE SA" if of_ike else "ESP"
    for index, words in enumerate(cannot):
        if words:
            text = f"{key}: {proposals[index]}: RouterOS has no {' or '.join(words)} for {what}"
            said = error if all(cannot) else warning
            mend = f"write {_FOR_ROUTEROS[key]}" if all(cannot) else "remove it: it is never used"
            yield said(document.place(*at, index), text, mend)


def _is_routeros(branch: BranchDraft) -> bool:
    return branch.raw.router is not None and branch.raw.router.kind == "routeros"
