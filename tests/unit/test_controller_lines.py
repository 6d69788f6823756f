"""The forwarder's lines become events, the core's wishes become orders; nonsense becomes one clear error."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_network import a_branch, a_network

from hub.control.lines import BadLineError
from hub.controller.forwarder_lines import classes_line, events_of, is_obeyed, order_line, tunnels_line
from hub.forwarder.orders import parse
from policies.model.desired import ClassOrder, Desired
from policies.model.events import ClassChanged, ForwarderConnected, LivenessChanged, PathAnswered
from policies.model.ids import TunnelId
from policies.model.view import ClassView, LivenessState

FIBER, WIRELESS = TunnelId("bandung", "fiber"), TunnelId("bandung", "wireless")
LIVENESS = {"tunnel": "bandung/fiber", "state": "down", "since": 7.5, "hard": True, "reason": "silent", "rtt_ms": None}
STATE = {
    "name": "bandung",
    "branch": "bandung",
    "active": "bandung/fiber",
    "order": ["bandung/fiber", "bandung/wireless"],
    "prefixes": ["10.1.0.0/24"],
    "epoch": 3,
    "since": 5.0,
    "reason": "preferred",
}
VIEW = ClassView("bandung", "bandung", FIBER, (FIBER, WIRELESS), (ip_network("10.1.0.0/24"),), 3, 5.0, "preferred")  # type: ignore[arg-type]
ORDER = ClassOrder("bandung", "bandung", (ip_network("10.1.0.0/24"),), (FIBER, WIRELESS), FIBER, "preferred", 3)


def test_a_liveness_line_is_a_liveness_event() -> None:
    (event,) = events_of({"liveness": LIVENESS})
    assert isinstance(event, LivenessChanged)
    assert (event.tunnel, event.liveness.state, event.liveness.since) == (FIBER, LivenessState.DOWN, 7.5)


def test_a_class_line_is_the_class_as_the_kernel_has_it() -> None:
    assert list(events_of({"class": STATE})) == [ClassChanged(VIEW)]


def test_a_snapshot_is_everything_at_once() -> None:
    paths = [{"branch": "bandung", "tunnel": "bandung/fiber", "at": 9.0}]
    (event,) = events_of({"snapshot": {"tunnels": [LIVENESS], "classes": [STATE], "paths": paths}})
    assert isinstance(event, ForwarderConnected)
    assert event.classes == {"bandung": VIEW}
    assert event.paths == {("bandung", 4): (FIBER, 9.0)}


def test_a_path_line_is_an_answered_probe() -> None:
    (event,) = events_of({"path": {"branch": "bandung", "tunnel": "bandung/wireless", "at": 9.0}})
    assert event == PathAnswered("bandung", WIRELESS, 9.0)  # type: ignore[arg-type]


def test_lines_for_people_are_no_events() -> None:
    assert not list(events_of({"problem": {"key": "k", "text": "t", "mend": "m"}}))


@pytest.mark.parametrize(
    "line",
    [
        {"liveness": {}},
        {"liveness": {**LIVENESS, "state": "sideways"}},
        {"liveness": {**LIVENESS, "tunnel": "no-slash"}},
        {"class": {**STATE, "prefixes": ["10.1.0.300/24"]}},
        {"class": None},
        {"snapshot": []},
        {"path": {"branch": "b"}},
    ],
)
def test_a_wrong_field_is_one_clear_error(line: dict[str, object]) -> None:
    with pytest.raises(BadLineError, match="cannot be understood"):
        list(events_of(line))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
heads = st.sampled_from(["snapshot", "liveness", "class", "gone", "path", "refused", "x"])


@given(heads, json_values)
def test_whatever_the_line_it_is_events_or_a_bad_line(head: str, body: object) -> None:
    with contextlib.suppress(BadLineError):
        list(events_of({head: body}))


def test_the_forwarder_understands_what_is_wanted_of_it() -> None:
    intent = a_network(a_branch())
    desired = Desired(classes={"bandung": ORDER}, unreachable=(ip_network("10.1.0.0/24"),))
    for line in (tunnels_line(intent), classes_line(intent, desired), order_line(ORDER)):
        parse(json.loads(json.dumps(line)))


SERVERS = ip_network("10.0.10.0/24")


def test_a_class_for_packets_from_a_prefix_of_the_hub_says_so_in_both_directions() -> None:
    line = json.loads(json.dumps(order_line(replace(ORDER, sources=(SERVERS,)))))
    assert line["order"]["sources"] == ["10.0.10.0/24"]
    parse(line)
    told = list(events_of({"class": {**STATE, "sources": ["10.0.10.0/24"]}}))
    assert told == [ClassChanged(replace(VIEW, sources=(SERVERS,)))]
    assert "sources" not in order_line(ORDER)["order"]  # an older forwarder does not know it


def test_a_class_for_packets_from_elsewhere_is_not_as_wanted() -> None:
    assert not is_obeyed(replace(ORDER, sources=(SERVERS,)), VIEW)
    assert is_obeyed(replace(ORDER, sources=(SERVERS,)), replace(VIEW, sources=(SERVERS,)))


def test_a_class_that_is_as_wanted_is_not_ordered_again() -> None:
    assert is_obeyed(ORDER, VIEW)
    assert not is_obeyed(ORDER, None)
    assert not is_obeyed(ClassOrder(**{**{f: getattr(ORDER, f) for f in ORDER.__slots__}, "active": WIRELESS}), VIEW)
