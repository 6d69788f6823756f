"""Reading what ExaBGP and the kernel say of the neighbors."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from bgp_network import network

from hub.bgp.listening import listening, not_listening
from hub.bgp.reload import InvalidConfigurationError, ends, peers, shown_peers, validate
from policies.model.ids import TunnelId
from policies.model.intent import Session, SessionKind

TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0001FF0A:00B3 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 33 1 0 100 0 0 10 0
   1: 0201FF0A:00B3 0301FF0A:C01A 01 00000000:00000000 00:00000000 00000000     0        0 34 1 0 20 4 30 10 -1
"""


def test_only_listening_sockets_count() -> None:
    assert listening(TABLE) == {(IPv4Address("10.255.1.0"), 179)}


def test_a_tunnel_that_nobody_listens_for_is_named() -> None:
    (problem,) = not_listening(network(1).tunnels().values(), 179, listening(TABLE))
    assert problem.startswith("nobody listens for b1/wireless on 10.255.1.2 port 179")


def test_one_listener_for_all_addresses_is_enough() -> None:
    assert not_listening(network(1).tunnels().values(), 179, {(IPv4Address("0.0.0.0"), 179)}) == ()


def test_the_shown_neighbors_are_compared_with_the_wanted() -> None:
    shown = [
        {"peer": {"address": str(branch), "as": asn}, "local": {"address": str(hub)}}
        for branch, hub, asn in peers(network(1))
    ]
    assert shown_peers((json.dumps(shown),)) == peers(network(1))


@pytest.mark.parametrize("lines", [(), ("done",), ("[7]",), ('[{"peer": {}}]',), ('{"a": 1}',)])
def test_an_answer_that_shows_no_neighbors_shows_none(lines: tuple[str, ...]) -> None:
    assert shown_peers(lines) == frozenset()


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("line 3:\n  no such keyword\n", "ExaBGP refuses e.conf: line 3: no such keyword"),
        ("", "ExaBGP refuses e.conf: it does not say why"),
        (
            'Traceback (most recent call last):\n  File "x"\nImportError: none\n',
            'ExaBGP refuses e.conf: it does not run here (ImportError: none): install it with pip install "exabgp>=5',
        ),
    ],
)
def test_a_refusal_is_one_line_and_never_a_traceback(monkeypatch: pytest.MonkeyPatch, said: str, expected: str) -> None:
    done = subprocess.CompletedProcess((), 1, stdout="", stderr=said)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    with pytest.raises(InvalidConfigurationError) as refused:
        validate(Path("e.conf"))
    assert str(refused.value).startswith(expected)
    assert "\n" not in str(refused.value)


def test_a_tunnel_with_another_name_only_does_not_go() -> None:
    intent = network(1)
    branch = intent.branches["b1"]
    glass = replace(branch.tunnels[0], id=TunnelId("b1", "glass"))
    renamed = replace(intent, branches={"b1": replace(branch, tunnels=(glass, branch.tunnels[1]))})
    moved = replace(intent, branches={"b1": replace(branch, asn=65009)})
    assert ends(intent, renamed) == frozenset()
    assert ends(intent, moved) == set(intent.tunnels())
    assert ends(network(2), intent) == {TunnelId("b2", "fiber"), TunnelId("b2", "wireless")}


def test_a_tunnel_that_becomes_another_branchs_goes_though_both_are_of_one_as() -> None:
    intent = network(2, session=Session(SessionKind.IBGP))
    first, second = intent.branches.values()
    given = replace(first.tunnels[0], id=TunnelId("b2", "third"))
    branches = {
        "b1": replace(first, tunnels=first.tunnels[1:]),
        "b2": replace(second, tunnels=(*second.tunnels, given)),
    }
    assert ends(intent, replace(intent, branches=branches)) == {TunnelId("b1", "fiber")}
