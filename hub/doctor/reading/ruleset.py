"""The firewall's rules, by `nft` (which also lists those of iptables-nft)."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hub.doctor.facts import Unseen

_PATIENCE_SECONDS = 1.5
_LIST = ("nft", "--json", "--stateless", "--terse", "list", "ruleset")
"""Without counters and without the elements of sets, which may be many."""


def nftables(*, root: bool) -> tuple[Mapping[str, Any], ...] | Unseen:
    """The objects of the ruleset (libnftables-json(5))."""
    if not root:
        return Unseen()
    if shutil.which("nft") is None:
        return Unseen("needs the program nft (apt-get install nftables)") if _there() else ()
    try:
        done = subprocess.run(_LIST, capture_output=True, check=False, timeout=_PATIENCE_SECONDS)
        found = json.loads(done.stdout)["nftables"]
    except subprocess.TimeoutExpired:
        return Unseen(f"nft took longer than {_PATIENCE_SECONDS:g} s")
    except (OSError, ValueError, KeyError, TypeError):
        return Unseen('"nft --json list ruleset" says nothing that can be read')
    return tuple(each for each in found if isinstance(each, dict)) if isinstance(found, list) else ()


def _there() -> bool:
    """Whether the kernel has nftables at all."""
    return Path("/sys/module/nf_tables").exists()


def legacy_tables(*, root: bool) -> bool | Unseen:
    """Whether the old iptables has tables in this namespace."""
    if not root:
        return Unseen()
    try:
        return bool(Path("/proc/self/net/ip_tables_names").read_text().strip())
    except OSError:
        return False
