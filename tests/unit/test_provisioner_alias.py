"""The mark of our interfaces: one for every kind of tunnel, and for those that a lab makes."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from lab_intent import intent

from hub.lab.names import LabPlace
from hub.lab.network import HUB
from hub.lab.plan import plan
from hub.lab.scripts import node_scripts
from hub.provisioner.alias import Alias, is_ours, read_alias


def test_an_alias_says_whose_an_interface_is() -> None:
    alias = Alias("kencana", "bandung/fiber")
    assert str(alias) == "pointsman kencana bandung/fiber"
    assert read_alias(str(alias)) == alias


@pytest.mark.parametrize(
    ("text", "ours"),
    [
        ("pointsman kencana bandung/fiber", True),
        ("pointsman kencana-2 bandung/fiber", False),
        ("pointsman kencana", False),
        ("kencana bandung/fiber", False),
        ("", False),
        (None, False),
    ],
)
def test_what_is_not_marked_as_this_networks_is_not_ours(text: str | None, ours: bool) -> None:
    assert is_ours("kencana", text) is ours


def test_the_hubs_ends_that_a_lab_makes_are_marked_as_the_hub_marks_its_own() -> None:
    network = plan(intent())
    script = node_scripts(network, LabPlace("lab", Path("/run")), kernel_wireguard=True)[HUB]
    for _, tunnel in network.tunnels():
        assert f"alias {shlex.quote(str(Alias(network.name, tunnel.name)))}" in script
