"""A forwarder that cannot start says why in one line, and exits."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fib_namespaces import Network

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("nft"), reason="needs root, namespaces and nft"),
]


def test_a_directory_that_is_not_there_is_said_in_one_line(network: Network, tmp_path: Path) -> None:
    where = ("--run-dir", str(tmp_path / "nowhere"), "--state-dir", str(tmp_path))
    command = ["ip", "netns", "exec", network.hub, sys.executable, "-m", "hub.forwarder", *where]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert f"there is no directory {tmp_path / 'nowhere'}" in done.stderr


def test_without_capabilities_it_says_so_and_exits(network: Network, tmp_path: Path) -> None:
    command = ["setpriv", "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"]
    done = subprocess.run(
        [*command, sys.executable, "-m", "hub.forwarder", "--run-dir", str(tmp_path), "--state-dir", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "CAP_NET_ADMIN and CAP_NET_RAW missing" in done.stderr
