"""What the page on running a hub says removes its routes does remove them, in a kernel that has them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from made_network import run

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
]
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "run-on-a-hub.md"
LEFT_BEHIND = """\
nexthop add id 5000 dev tunnel proto 112
nexthop add id 5001 dev tunnel proto 112
-6 nexthop add id 5002 dev tunnel proto 112
route add 10.1.0.0/24 nhid 5000 proto 112 metric 100
route add 10.2.0.0/24 nhid 5001 proto 112 metric 100
route add unreachable 10.1.0.0/24 proto 112 metric 4294967295
route add 10.3.0.0/24 dev tunnel proto static
route add 10.1.0.0/24 nhid 5000 proto 112 metric 100 table 112000
rule add from 10.0.10.0/24 lookup 112000 priority 11208 proto 112
rule add from 10.0.11.0/24 lookup 77 priority 11208 proto static
-6 rule add from 2001:db8::/48 lookup 112001 priority 11280 proto 112
-6 route add 2001:db8:1::/48 nhid 5002 proto 112 metric 100
-6 route add unreachable 2001:db8:1::/48 proto 112 metric 4294967294
"""


@pytest.fixture
def hub() -> Iterator[str]:
    name = f"pm-stop-{os.getpid()}"
    run("ip", "netns", "add", name)
    try:
        run("ip", "-n", name, "link", "add", "tunnel", "type", "veth", "peer", "name", "far")
        for interface in ("tunnel", "far"):
            run("ip", "-n", name, "link", "set", interface, "up")
        for line in LEFT_BEHIND.splitlines():
            run("ip", "-n", name, *line.split())
        yield name
    finally:
        run("ip", "netns", "delete", name)


def commands() -> list[str]:
    """The commands of the section, in its order."""
    section = PAGE.read_text().partition("## Stop it\n")[2].partition("\n## ")[0]
    return re.findall(r"`(ip [^`]+)`", section)


def test_the_pages_commands_remove_all_that_is_ours_and_nothing_else(hub: str) -> None:
    assert commands()
    for command in commands():
        run("ip", "netns", "exec", hub, *command.split())
    assert run("ip", "-n", hub, "nexthop") == ""
    for version in ("-4", "-6"):
        assert run("ip", "-n", hub, version, "route", "show", "table", "all", "proto", "112") == ""
        assert "proto 112" not in run("ip", "-n", hub, version, "rule")
    assert "lookup 77 proto static" in run("ip", "-n", hub, "rule")
    assert "10.3.0.0/24" in run("ip", "-n", hub, "route")
