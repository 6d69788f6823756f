"""What comes in clear and should have come encrypted: policies of the kernel that drop it, by `ip xfrm` (ip-xfrm(8)).

charon's own policy for the two loopbacks takes nothing but ESP, and it is there exactly as long as the SA is. Of the
policies that fit the kernel takes the one of the smallest priority, so that ours counts only when charon's is not
there. It names the protocol, for charon's does not: of two policies of one selector the kernel keeps one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from hub.provisioner.ipsec.names import GUARD_METRIC, VXLAN_PORT
from hub.provisioner.program import Program, run_program

_SELECTORS = {"gre": ("proto", "47"), "vxlan": ("proto", "17", "dport", str(VXLAN_PORT))}
_OURS = ("dir", "in", "action", "block", "priority", str(GUARD_METRIC))
"""A policy has no name: ours are known by a priority that nobody else would give."""
_LISTED = re.compile(r"^src (\S+)/32 dst (\S+)/32 proto (gre|47|udp|17)\b", re.MULTILINE)
_INNER = {"gre": "gre", "47": "gre", "udp": "vxlan", "17": "vxlan"}


@dataclass(frozen=True, slots=True, order=True)
class Block:
    """A Block drops what comes from `source` to `target` in clear and would be taken into the interface of a tunnel."""

    source: str
    target: str
    inner: str


def blocks(run: Program = run_program) -> frozenset[Block]:
    """Those of ours that there are.

    Raises:
        ProvisionError: the kernel does not say.
    """
    listed = _LISTED.findall(run("ip", "xfrm", "policy", "list", *_OURS))
    return frozenset(Block(source, target, _INNER[protocol]) for source, target, protocol in listed)


def put(block: Block, run: Program = run_program) -> None:
    """Make it; `update`, because it may be there.

    Raises:
        ProvisionError: the kernel refuses.
    """
    run("ip", "xfrm", "policy", "update", *_selector(block), *_OURS)


def drop(block: Block, run: Program = run_program) -> None:
    """Remove it, if it is still ours and there.

    Raises:
        ProvisionError: the kernel refuses.
    """
    if block in blocks(run):
        run("ip", "xfrm", "policy", "delete", *_selector(block), "dir", "in")


def _selector(block: Block) -> tuple[str, ...]:
    return ("src", f"{block.source}/32", "dst", f"{block.target}/32", *_SELECTORS[block.inner])
