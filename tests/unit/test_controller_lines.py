"""The forwarder's lines become events, the core's wishes become orders; nonsense becomes one clear error."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_network import a_branch, a_network

from hub.control.lines import BadLineError
from hub.controller.forwarder_lines import (
    burst_line,
    classes_line,
    count_line,
    events_of,
    is_obeyed,
    order_line,
    tunnels_line,
)
from hub.forwarder.health.burst import BurstOrder
from hub.forwarder.orders import CountForwarded, SendBurst, parse
from policies.model.clock import Instant
from policies.model.desired import ClassOrder, Desired
from policies.model.events import ClassChanged, ForwarderConnected, LivenessChanged, PathAnswered, SamplesTaken
from policies.model.health import Samples
from policies.model.ids import TunnelId
from policies.model.intent import ProbeRate
from policies.model.view import ClassView, LivenessState, View
from policies.observe import observe

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


SAMPLES = {"tunnel": "bandung/fiber", "begins": 7.0, "ends": 7.5, "sent": 3, "lost": 1, "rtt_ms": [3.0, 4.0]}


def test_a_samples_line_is_what_probes_told_of_each_tunnel() -> None:
    burst = SAMPLES | {"tunnel": "bandung/wireless", "burst": True}
    (event,) = events_of({"samples": [SAMPLES, burst]})
    samples = Samples(Instant(7.0), Instant(7.5), 3, 1, (0.003, 0.004))
    assert event == SamplesTaken({FIBER: (samples,), WIRELESS: (replace(samples, burst=True),)})


def test_the_last_samples_of_a_burst_end_it_though_they_tell_of_no_probe() -> None:
    (event,) = events_of({"samples": [SAMPLES | {"sent": 0, "lost": 0, "rtt_ms": [], "burst": True, "last": True}]})
    ends = Samples(Instant(7.0), Instant(7.5), 0, 0, burst=True, ends_burst=True)
    assert event == SamplesTaken({FIBER: (ends,)})


def test_late_answers_take_their_losses_back() -> None:
    (event,) = events_of({"samples": [SAMPLES | {"sent": 0, "lost": 0, "rtt_ms": [], "late_ms": [431.0]}]})
    assert event == SamplesTaken({FIBER: (Samples(Instant(7.0), Instant(7.5), 0, -1, (0.431,)),)})


def test_samples_change_no_belief_yet() -> None:
    (event,) = events_of({"samples": [SAMPLES]})
    assert observe(View(), event) == View()


def test_a_burst_is_ordered_in_words_that_the_forwarder_knows() -> None:
    assert parse(burst_line(FIBER, 50)) == SendBurst(BurstOrder("bandung/fiber", 50, 5_000_000))


def test_the_tunnels_to_count_over_are_named_in_words_that_the_forwarder_knows() -> None:
    assert parse(count_line([WIRELESS, FIBER])) == CountForwarded(("bandung/fiber", "bandung/wireless"))
    assert parse(count_line([])) == CountForwarded(())


def test_a_probe_rate_is_told_where_there_is_one() -> None:
    network = a_network(a_branch())
    branch = network.branches["bandung"]
    rate = ProbeRate(timedelta(milliseconds=100), timedelta(seconds=1))
    first, *rest = branch.tunnels
    first = replace(first, liveness=replace(first.liveness, probe=rate))
    network = replace(network, branches={"bandung": replace(branch, tunnels=(first, *rest))})
    told = tunnels_line(network)["tunnels"]
    assert told[0]["probe"] == {"active_ms": 100.0, "idle_ms": 1000.0}
    assert "probe" not in told[1]


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
        {"samples": [{"tunnel": "bandung/fiber"}]},
        {"samples": [{**SAMPLES, "lost": 4}]},
        {"samples": [{**SAMPLES, "rtt_ms": [-1]}]},
        {"samples": [{**SAMPLES, "rtt_ms": ["x"]}]},
        {"samples": [None]},
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
heads = st.sampled_from(["snapshot", "liveness", "class", "gone", "path", "samples", "counted", "refused", "x"])


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
