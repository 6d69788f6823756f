"""ExaBGP says `down` again with every connection that comes to nothing: what of it is news, and what is remembered."""

from __future__ import annotations

import json
from collections.abc import Mapping
from ipaddress import IPv4Address
from typing import Any

import pytest
from bgp_network import network

from hub.bgp.translate import Translator
from policies.model.clock import Instant
from policies.model.events import SessionChanged
from policies.model.ids import TunnelId
from policies.model.view import SessionState
from speaker.bgp.memory import Memory

FIBER = TunnelId("b1", "fiber")
BRANCH = IPv4Address("10.255.1.1")
NOW = Instant(50.0)
_NLRI = {"10.255.1.0": [{"nlri": "10.0.0.0/16"}]}
SENT = {
    "direction": "send",
    "message": {"update": {"attribute": {"med": 990}, "announce": {"ipv4 unicast": _NLRI}}},
}


def said(kind: str, rest: Mapping[str, Any]) -> dict[str, Any]:
    """One event of ExaBGP's about the branch."""
    return {"exabgp": "5.0.0", "type": kind, "neighbor": {"address": {"peer": str(BRANCH)}, **rest}}


def down(reason: str) -> dict[str, Any]:
    """A session of the branch is down."""
    return said("state", {"state": "down", "reason": reason})


def test_a_session_that_stays_down_for_another_reason_is_told_once() -> None:
    translator = Translator(network(1))
    translator.state(BRANCH, SessionState.DOWN, "notification received (6,6)", NOW)
    for at, told in ((60.0, 1), (65.0, 0), (70.0, 0)):
        translator.opened(BRANCH, frozenset({4}), 65009)
        events = translator.state(BRANCH, SessionState.DOWN, "notification sent (2,2)", Instant(at))
        why = "the hub refuses the branch's OPEN: it says AS 65009, written is 65001 (2,2)"
        assert events == [SessionChanged(FIBER, SessionState.DOWN, Instant(at), why)] * told


def test_a_refused_open_with_another_as_than_the_one_before_is_told() -> None:
    translator = Translator(network(1))
    for asn in (65009, 65010):
        translator.opened(BRANCH, frozenset({4}), asn)
        (event,) = translator.state(BRANCH, SessionState.DOWN, "notification sent (2,2)", NOW)
        assert isinstance(event, SessionChanged)
        assert f"AS {asn}," in event.reason


def test_a_reason_that_was_told_before_the_session_came_up_is_told_again_when_it_is_lost() -> None:
    translator = Translator(network(1))
    for state in (SessionState.DOWN, SessionState.UP, SessionState.DOWN):
        reason = "" if state is SessionState.UP else "hold timer"
        assert translator.state(BRANCH, state, reason, NOW) == [SessionChanged(FIBER, state, NOW, reason)]


def test_a_session_that_is_refused_is_not_told_to_lack_an_ip_version() -> None:
    translator = Translator(network(1, versions=(4, 6)))
    translator.opened(BRANCH, frozenset({4}), 65009)
    translator.state(BRANCH, SessionState.DOWN, "notification sent (2,2)", NOW)
    assert translator.not_carried() == {}
    translator.state(BRANCH, SessionState.UP, "", NOW)
    assert list(translator.not_carried()) == ["version b1/fiber"]


@pytest.mark.parametrize(
    ("repeated", "kept"),
    [
        ("notification sent (2,2)", "notification sent (2,2)"),
        ("closing connection", "hold timer expired"),
        ("", "hold timer expired"),
    ],
)
def test_a_down_that_exabgp_repeats_brings_its_reason_and_does_not_begin_anew(repeated: str, kept: str) -> None:
    memory = Memory()
    memory.observe(said("update", SENT), 0.5)
    memory.observe(down("hold timer expired"), 1.0)
    (before,) = json.loads(json.dumps(list(memory.lines())))
    memory.observe(down(repeated), 99.0)
    (after,) = json.loads(json.dumps(list(memory.lines())))
    assert after == {"memory": {**before["memory"], "at": 1.0, "reason": kept}}


def test_a_controller_that_comes_later_is_told_why_the_branch_is_refused_now() -> None:
    memory = Memory()
    memory.observe(down("notification received (6,6)"), 1.0)
    memory.observe(down("notification sent (2,2)"), 99.0)
    (line,) = memory.lines()
    remembered = Translator(network(1)).remembered(line["memory"])
    assert remembered is not None
    why = "the hub refuses the branch's OPEN: it says another AS than 65001, which is written (2,2)"
    assert remembered.events == (SessionChanged(FIBER, SessionState.DOWN, Instant(1.0), why),)
