"""The launcher's checks, without starting ExaBGP."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from bgp_network import network

from speaker.bgp.configuration import Rendering, render
from speaker.bgp.launcher import CannotStartError, check_listening, check_version, listened_on

PROVE = """
import os
from speaker.bgp import launcher, mends
os.environ.update(launcher.settings())
try:
    mends.test_outgoing_queue()
except mends.MendError as error:
    print("before:", error)
mends.mend_outgoing_queue()
mends.test_outgoing_queue()
print("after: good")
"""


def test_the_self_test_fails_without_the_mend_and_holds_with_it() -> None:
    done = subprocess.run([sys.executable, "-c", PROVE], capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    assert done.stdout == "before: ExaBGP's outgoing queue sends [10, 20] where 10 is meant\nafter: good\n"


@pytest.mark.parametrize("release", ["5.0.15", "5.0.99"])
def test_a_known_version_is_started(release: str) -> None:
    check_version(release)


@pytest.mark.parametrize("release", ["4.2.25", "5.0.14", "5.1.0", "6.0.0", "main", ""])
def test_an_unknown_version_is_not(release: str) -> None:
    with pytest.raises(CannotStartError, match="not a known version: install"):
        check_version(release)


def test_the_rendered_configuration_tells_where_exabgp_listens() -> None:
    text = render(network(1), Rendering("/usr/bin/python3", "/run/x.sock", port=1790))
    assert listened_on(text) == [("10.255.1.0", 1790), ("10.255.1.2", 1790)]


def test_a_port_in_use_is_found_before_exabgp_finds_it() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        with pytest.raises(CannotStartError, match=f"127.0.0.1 port {port}: another program does"):
            check_listening(f"local-address 127.0.0.1;\nlisten {port};")


def test_an_address_that_is_not_there_yet_is_no_error() -> None:
    check_listening("local-address 192.0.2.77;\nlisten 40179;")


def test_it_says_how_to_use_it(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "speaker.bgp.launcher"], capture_output=True, text=True, timeout=60, cwd=tmp_path
    )
    assert done.returncode == 1
    assert done.stderr == "usage: python -m speaker.bgp.launcher CONFIG\n"
