"""The language between controller and worker: what is written is read, what is nonsense is refused whole."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from script_rig import a_branch

from hub.scripts.examine import Slip
from hub.scripts.lines import (
    Failure,
    RefusedError,
    adjustment_json,
    branch_json,
    network_json,
    read_adjustment,
    read_answer,
    read_branch,
    read_loaded,
    read_network,
)
from policies.model.health import HealthState
from policies.model.policy import Metered
from policies.model.view import LivenessState
from policies.scripts.api import Adjustment, BranchSituation, NetworkSituation, TunnelSituation
from policies.scripts.judge import nonsense

ASKED = {name: a_branch(name) for name in ("bandung", "bogor")}
GOOD = {"reason": "why", "prefer": ["lte", "fiber"], "metered": "allowed", "ignore_degraded": True}
NAMES = st.text(max_size=8)
SHARES = st.none() | st.floats(allow_nan=False, allow_infinity=False)
WALLS = st.builds(
    lambda minutes, hours: datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=hours))) + timedelta(minutes=minutes),
    st.integers(0, 1_000_000),
    st.integers(-12, 14),
)
TUNNELS = st.builds(
    TunnelSituation,
    name=NAMES,
    kind=NAMES,
    isp=NAMES,
    metered=st.booleans(),
    hub_uplink=NAMES,
    hub_isp=NAMES,
    liveness=st.sampled_from(LivenessState),
    health=st.sampled_from(HealthState),
    loss=SHARES,
    rtt=SHARES,
    jitter=SHARES,
    usual_rtt=SHARES,
    drained=st.booleans(),
    active=st.booleans(),
    rank=st.integers(0, 9),
)
BRANCHES = st.builds(
    BranchSituation,
    name=NAMES,
    wall=WALLS,
    tunnels=st.lists(TUNNELS, max_size=3).map(tuple),
    policy=NAMES,
    prefer=st.lists(NAMES, max_size=3).map(tuple),
    metered=st.sampled_from(Metered),
)
COUNTS = st.dictionaries(NAMES, st.integers(0, 1000), max_size=3)
NETWORKS = st.builds(
    NetworkSituation,
    name=NAMES,
    wall=WALLS,
    branches=st.lists(NAMES, max_size=3).map(tuple),
    on_hub_uplink=COUNTS,
    on_isp=COUNTS,
)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def nearly(good: dict[str, Any]) -> st.SearchStrategy[Any]:
    """A map that is right, or has something else in one field, or lacks one, or has one more."""
    return st.one_of(
        st.just(good),
        st.builds(lambda key, value: {**good, key: value}, st.sampled_from(sorted(good)) | st.text(max_size=3), JSON),
        st.builds(lambda key: {k: v for k, v in good.items() if k != key}, st.sampled_from(sorted(good))),
        JSON,
    )


ADJUSTMENTS = st.none() | nearly(GOOD)
FAILURES = nearly({"line": 3, "text": "raised"})
ANSWERS = st.one_of(
    JSON,
    st.builds(
        lambda answer, adjustments, failed: {"answer": answer, "adjustments": adjustments, "failed": failed},
        st.just(7) | JSON,
        st.dictionaries(st.sampled_from(["bandung", "bogor", "solo"]), ADJUSTMENTS) | JSON,
        st.dictionaries(st.sampled_from(["bandung", "bogor", "solo"]), FAILURES, max_size=1) | JSON,
    ),
    st.builds(
        lambda one, two: {"answer": 7, "adjustments": {"bandung": one, "bogor": two}, "failed": {}},
        ADJUSTMENTS,
        ADJUSTMENTS,
    ),
    st.builds(
        lambda one, two: {"answer": 7, "adjustments": {"bandung": one}, "failed": {"bogor": two}}, ADJUSTMENTS, FAILURES
    ),
    st.builds(lambda refused: {"answer": 7, "refused": refused}, FAILURES),
)


@given(BRANCHES)
def test_a_branch_is_read_as_it_was_written(branch: BranchSituation) -> None:
    assert read_branch(json.loads(json.dumps(branch_json(branch)))) == branch


@given(NETWORKS)
def test_a_network_is_read_as_it_was_written(network: NetworkSituation) -> None:
    assert read_network(json.loads(json.dumps(network_json(network)))) == network


@given(ANSWERS)
def test_any_answer_is_taken_whole_or_refused_with_a_reason(said: Any) -> None:
    try:
        answer = read_answer(json.dumps(said).encode(), 7, ASKED)
    except RefusedError as error:
        assert str(error)
        return
    if answer.refused is not None:
        assert not answer.adjustments
        assert not answer.failed
        return
    assert {*answer.adjustments, *answer.failed} == set(ASKED)
    assert len(answer.adjustments) + len(answer.failed) == len(ASKED)
    for name, adjustment in answer.adjustments.items():
        assert nonsense(adjustment, ASKED[name]) is None
        written = adjustment_json(adjustment)
        assert json.loads(json.dumps(written)) == said["adjustments"][name]


@given(st.binary(max_size=40))
def test_bytes_that_are_no_answer_are_refused(line: bytes) -> None:
    for read in (lambda: read_answer(line, 7, ASKED), lambda: read_loaded(line)):
        with pytest.raises(RefusedError):
            read()


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("[" * 100_000, "said what is no JSON"),
        ("[]", "said what is no JSON object"),
        ('{"answer": ' + "9" * 5000 + "}", "said what is no JSON"),
        ('{"answer": 6, "adjustments": {}, "failed": {}}', "answered another question than it was asked"),
        ('{"answer": true, "adjustments": {}, "failed": {}}', "answered another question than it was asked"),
        ('{"answer": 7, "adjustments": {"bandung": null}, "failed": {}}', "answered about other branches"),
        (
            '{"answer": 7, "adjustments": {"bandung": null, "bogor": null, "solo": null}, "failed": {}}',
            "answered about other branches",
        ),
        (
            (
                '{"answer": 7, "adjustments": {"bandung": null, "bogor": {"reason": "x", "prefer": ["moon"], '
                '"metered": null, "ignore_degraded": false}}, "failed": {}}'
            ),
            'bogor: adjust returned prefer with "moon", which is no tunnel of bogor and no kind of uplink',
        ),
    ],
)
def test_an_answer_is_refused_by_its_first_fault(said: str, why: str) -> None:
    with pytest.raises(RefusedError) as caught:
        read_answer(said.encode(), 7, ASKED)
    assert str(caught.value).startswith(why)


def test_an_answer_has_what_each_branch_got() -> None:
    said = {"answer": 7, "adjustments": {"bandung": GOOD}, "failed": {"bogor": {"line": 3, "text": "raised\nx"}}}
    answer = read_answer(json.dumps(said).encode(), 7, ASKED)
    expected = Adjustment(reason="why", prefer=("lte", "fiber"), metered=Metered.ALLOWED, ignore_degraded=True)
    assert answer.adjustments == {"bandung": expected}
    assert answer.failed == {"bogor": Failure(3, "raised x")}


@given(st.none() | st.builds(Adjustment, reason=st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=99)))
def test_an_adjustment_is_read_as_it_was_written(adjustment: Adjustment | None) -> None:
    assert read_adjustment(json.loads(json.dumps(adjustment_json(adjustment)))) == adjustment


def test_a_worker_says_that_it_has_loaded_or_why_not() -> None:
    assert read_loaded(b'{"loaded": true}') == ()
    slip = {"line": 2, "column": 5, "text": "imports os", "mend": "do not"}
    assert read_loaded(json.dumps({"slips": [slip]}).encode()) == (Slip(2, 5, "imports os", "do not"),)
    for other in ({"loaded": False}, {"slips": []}, {"slips": [3]}, {"slips": [{**slip, "line": -1}]}, {}):
        with pytest.raises(RefusedError):
            read_loaded(json.dumps(other).encode())
