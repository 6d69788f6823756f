"""These tests want a kernel with everything in it, and make what they like of it: they run in the emulated machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

INSIDE = "POINTSMAN_KERNEL_MACHINE"
"""Environment: set in the guest."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if INSIDE in os.environ:
        return
    elsewhere = pytest.mark.skip(reason="wants the kernel of an emulated machine: scripts/test-kernel")
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(elsewhere)
