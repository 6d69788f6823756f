"""Which kinds of interfaces this kernel cannot make, found without making one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from errno import ENODEV, EOPNOTSUPP
from pathlib import Path

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

NO_SUCH_KIND = frozenset({EOPNOTSUPP, ENODEV})
"""How the kernel refuses a kind that it does not know (net/core/rtnetlink.c)."""
_NO_NAME = "a/b"
"""No interface may be named so: the kernel looks for the kind first, and then makes nothing."""
_MODULES = Path("/lib/modules")
_LOADED = Path("/sys/module")


def lacking(modules: Mapping[str, str]) -> frozenset[str]:
    """Those of these kinds, each with the module that makes it, that this kernel does not make.

    What cannot be asked, as by who is not root, is none. A module that is there is not asked for: that would load it.
    """
    unknown = [kind for kind, module in modules.items() if not is_loaded(module) and not is_installed(module)]
    if not unknown:
        return frozenset()
    try:
        with IPRoute() as kernel:
            return frozenset(kind for kind in unknown if _refusal(kernel, kind) in NO_SUCH_KIND)
    except OSError:
        return frozenset()


def is_loaded(module: str) -> bool:
    """Whether the kernel has this module in it now."""
    return (_LOADED / module).exists()


def is_installed(module: str) -> bool:
    """Whether the kernel can load this module, or has it built in, by its own list (modules.dep(5))."""
    for name in ("modules.dep", "modules.builtin"):
        with suppress(OSError):
            if f"/{module}.ko" in (_MODULES / os.uname().release / name).read_text(errors="replace"):
                return True
    return False


def _refusal(kernel: IPRoute, kind: str) -> int:
    try:
        kernel.link("add", ifname=_NO_NAME, kind=kind)
    except NetlinkError as error:
        return int(error.code)
    return 0
