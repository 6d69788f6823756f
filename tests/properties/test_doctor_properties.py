"""The doctor judges whatever a machine says, and never fails on it."""

from __future__ import annotations

from typing import Any

from doctor_facts import WANTED, WELL, machine
from hypothesis import given
from hypothesis import strategies as st

from hub.doctor.examine import examine
from hub.doctor.findings import Finding, Severity
from hub.doctor.reading.network import decode_interface, decode_route, decode_rule
from hub.doctor.reading.sockets import rows

WORDS = st.sampled_from(
    [
        "rule",
        "chain",
        "expr",
        "match",
        "left",
        "right",
        "meta",
        "key",
        "iifname",
        "payload",
        "dport",
        "protocol",
        "tcp",
        "vmap",
        "data",
        "set",
        "accept",
        "drop",
        "jump",
        "target",
        "fib",
        "flags",
        "result",
        "oif",
        "saddr",
        "iif",
        "op",
        "hook",
        "input",
        "forward",
        "policy",
        "family",
        "inet",
        "table",
        "name",
        "ct",
        "state",
        "new",
        "range",
    ]
)
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), WORDS)


def nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.lists(inner, max_size=4), st.dictionaries(WORDS, inner, max_size=4))


JSON = st.recursive(LEAVES, nested, max_leaves=30)
EXPRESSIONS = st.lists(
    st.one_of(
        JSON,
        st.fixed_dictionaries({"match": st.fixed_dictionaries({"op": WORDS, "left": JSON, "right": JSON})}),
        st.just({"accept": None}),
        st.just({"drop": None}),
        st.fixed_dictionaries({"vmap": st.fixed_dictionaries({"key": JSON, "data": JSON})}),
    ),
    max_size=4,
)
RULE = st.builds(
    lambda expr: {"rule": {"family": "inet", "table": "f", "chain": "in", "expr": expr}}, st.one_of(EXPRESSIONS, JSON)
)
CHAIN = {"chain": {"family": "inet", "table": "f", "name": "in", "hook": "input", "policy": "drop"}}


@given(st.lists(st.one_of(RULE, st.dictionaries(WORDS, JSON, max_size=3)), max_size=5))
def test_any_ruleset_is_judged(objects: list[dict[str, Any]]) -> None:
    for finding in examine(machine(ruleset=(CHAIN, *objects)), WANTED):
        assert isinstance(finding, Finding)


@given(st.dictionaries(st.sampled_from(sorted(WELL.settings)), st.text(max_size=4)))
def test_any_setting_is_judged(settings: dict[str, str]) -> None:
    assert examine(machine(settings=settings), WANTED)


@given(st.binary(max_size=80))
def test_any_netlink_message_is_decoded_or_left_out(body: bytes) -> None:
    for decode in (decode_rule, decode_interface):
        decode(body)
    decode_route(body, {})


@given(st.text(max_size=200))
def test_any_table_of_sockets_is_read(text: str) -> None:
    list(rows(f"head\n{text}"))


def test_what_is_wrong_always_has_a_mend() -> None:
    for finding in examine(machine(settings={}, interfaces=(), setpriv=False, exabgp=None), WANTED):
        assert finding.severity not in (Severity.WRONG, Severity.WARNING) or finding.mend
