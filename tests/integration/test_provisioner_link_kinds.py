"""Which kinds of interfaces this kernel cannot make: asked of it, in a namespace, and beside what it really makes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

KINDS = {
    "gre": ("ip_gre", "local 192.0.2.1 remote 192.0.2.2"),
    "vxlan": ("vxlan", "id 7 dev lo dstport 4789"),
    "xfrm": ("xfrm_interface", "dev lo if_id 7"),
    "wireguard": ("wireguard", ""),
    "nosuch": ("nosuch", ""),
}
ASKED = """
import json, sys
from hub.provisioner.link_kinds import lacking
print(json.dumps(sorted(lacking(json.loads(sys.argv[1])))))
"""
MODULES = json.dumps({kind: module for kind, (module, _) in KINDS.items()})


def _makes(kind: str) -> bool:
    command = f"ip link add name trial type {kind} {KINDS[kind][1]}"
    return subprocess.run(["unshare", "-n", "sh", "-c", command], capture_output=True, check=False).returncode == 0


def _asked(*before: str) -> str:
    script = f"{sys.executable} -c '{ASKED}' '{MODULES}' && ip -o link | wc -l"
    words = ["unshare", "-n", *before, "sh", "-c", script]
    return subprocess.run(words, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]).stdout


def test_what_the_kernel_does_not_make_is_known_and_nothing_is_made() -> None:
    before = subprocess.run(["unshare", "-n", "sh", "-c", "ip -o link | wc -l"], capture_output=True, text=True)
    assert _asked() == f"{json.dumps(sorted(kind for kind in KINDS if not _makes(kind)))}\n{before.stdout}"


def test_who_may_not_ask_is_told_of_nothing() -> None:
    assert _asked("setpriv", "--bounding-set=-all", "--inh-caps=-all").startswith("[]\n")
