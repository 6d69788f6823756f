"""ExaBGP's JSON, verbatim from a running 5.0.15, becomes typed messages; nothing else gets through."""

from __future__ import annotations

import contextlib
import json
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speaker.bgp.events import (
    BadEventError,
    Direction,
    EndOfRibSeen,
    Ignored,
    Message,
    Notified,
    Opened,
    Route,
    ShuttingDown,
    StateChanged,
    Updated,
    parse,
    parse_update,
)

BRANCH = IPv4Address("10.255.1.1")
HEAD = '"exabgp": "5.0.0", "time": 1795224366.4, "host" : "hq", "pid" : 1, "ppid" : 1, "counter": 2'
WHO = (
    '"address": { "local": "10.255.1.0", "peer": "10.255.1.1" }, "asn": { "local": 65000, "peer": 65001 }, '
    '"router-id": "10.0.0.1"'
)


def said(kind: str, rest: str) -> Any:
    """One event of ExaBGP's about the branch."""
    return json.loads(f'{{ {HEAD}, "type": "{kind}", "neighbor": {{ {WHO} , {rest} }} }}')


RECEIVED = said(
    "update",
    '"direction": "receive", "message": { "update": { "attribute": { "origin": "igp", "as-path": {"0": {"element": '
    '"as-sequence", "value": [65001, 64999]}}, "community": [ [ 65001, 100 ] ], '
    '"large-community": [ [ 65001, 1 , 7 ] ] }, "announce": { "ipv4 unicast": { '
    '"10.255.1.1": [ { "nlri": "10.1.0.0/24" }, { "nlri": "0.0.0.0/0" } ] } } } }',
)

COMMUNITIES = (((65001, 100),), ((65001, 1, 7),))

CASES: list[tuple[str, Any, Message]] = [
    ("up", said("state", '"state": "up"'), StateChanged(BRANCH, up=True)),
    (
        "down",
        said("state", '"state": "down", "reason": "notification received (6,2)"'),
        StateChanged(BRANCH, up=False, reason="notification received (6,2)"),
    ),
    ("connected, which may be false", said("state", '"state": "connected"'), Ignored("state connected")),
    (
        "routes received",
        RECEIVED,
        Updated(
            BRANCH,
            Direction.RECEIVED,
            (
                Route(IPv4Network("10.1.0.0/24"), BRANCH, (65001, 64999), None, None, *COMMUNITIES),
                Route(IPv4Network("0.0.0.0/0"), BRANCH, (65001, 64999), None, None, *COMMUNITIES),
            ),
            (),
        ),
    ),
    (
        "a route sent",
        said(
            "update",
            '"direction": "send", "message": { "update": { "attribute": { "origin": "igp", "as-path": {"0": '
            '{"element": "as-sequence", "value": [65000]}}, "med": 1000 }, "announce": { '
            '"ipv4 unicast": { "10.255.1.0": [ { "nlri": "10.0.0.0/16" } ] } } } }',
        ),
        Updated(
            BRANCH,
            Direction.SENT,
            (Route(IPv4Network("10.0.0.0/16"), IPv4Address("10.255.1.0"), (65000,), 1000),),
            (),
        ),
    ),
    (
        "a withdrawal",
        said(
            "update",
            '"direction": "receive", "message": { "update": { "withdraw": { "ipv4 unicast": [ { "nlri": '
            '"172.16.0.0/28" } ] } } }',
        ),
        Updated(BRANCH, Direction.RECEIVED, (), (IPv4Network("172.16.0.0/28"),)),
    ),
    (
        "End-of-RIB",
        said("update", '"direction": "send", "message": { "eor": { "afi" : "ipv4", "safi" : "unicast" } }'),
        EndOfRibSeen(BRANCH, Direction.SENT),
    ),
    (
        "an OPEN of a branch",
        said(
            "open",
            '"direction": "receive", "open": { "version": 4, "asn": 65001, "hold_time": 9, "router_id": "10.1.0.1", '
            '"capabilities": { "1": { "name": "multiprotocol", "families": [ "ipv4/unicast", "ipv6/unicast", '
            '"ipv4/flow" ] }, "65": { "name": "asn4", "asn4": 65001 } } }',
        ),
        Opened(BRANCH, frozenset({4, 6}), 65001),
    ),
    (
        "an OPEN with an AS of four octets",
        said(
            "open",
            '"direction": "receive", "open": { "asn": 23456, "capabilities": { "65": { "name": "asn4", "asn4": '
            "4200000001 } } }",
        ),
        Opened(BRANCH, frozenset(), 4_200_000_001),
    ),
    (
        "an OPEN of a branch that knows no AS of four octets",
        said("open", '"direction": "receive", "open": { "asn": 65009, "capabilities": { } }'),
        Opened(BRANCH, frozenset(), 65009),
    ),
    (
        "an OPEN whose AS makes no sense",
        said("open", '"direction": "receive", "open": { "asn": -1, "capabilities": { "65": { "asn4": "x" } } }'),
        Opened(BRANCH, frozenset()),
    ),
    (
        "an OPEN whose capability of four octets is no object",
        said("open", '"direction": "receive", "open": { "asn": true, "capabilities": { "65": [ ] } }'),
        Opened(BRANCH, frozenset()),
    ),
    (
        "an OPEN without families",
        said("open", '"direction": "receive", "open": { "version": 4, "capabilities": { } }'),
        Opened(BRANCH, frozenset()),
    ),
    (
        "IPv6 with a global and a link-local next hop",
        said(
            "update",
            '"direction": "receive", "message": { "update": { "attribute": { "origin": "igp", "local-preference": 100 '
            '}, "announce": { "ipv6 unicast": { "fd00:1::1": [ { "nlri": "2001:db8:1::/48" } ], "fe80::1": [ { "nlri": '
            '"2001:db8:1::/48" } ] } } } }',
        ),
        Updated(
            BRANCH,
            Direction.RECEIVED,
            (Route(IPv6Network("2001:db8:1::/48"), IPv6Address("fd00:1::1"), local_preference=100),),
            (),
        ),
    ),
    (
        "End-of-RIB of IPv6",
        said("update", '"direction": "send", "message": { "eor": { "afi" : "ipv6", "safi" : "unicast" } }'),
        EndOfRibSeen(BRANCH, Direction.SENT, 6),
    ),
    (
        "End-of-RIB of another family",
        said("update", '"direction": "send", "message": { "eor": { "afi" : "ipv6", "safi" : "multicast" } }'),
        Ignored("eor of another family"),
    ),
    (
        "a notification",
        said(
            "notification",
            '"direction": "receive", "notification": { "code": 6, "subcode": 2, "data": "0x53", "message": "bye" }',
        ),
        Notified(BRANCH, 6, 2, "bye"),
    ),
    (
        "a notification that would write into the terminal",
        said(
            "notification",
            '"direction": "receive", "notification": { "code": 6, "subcode": 2, "message": "a\\n\\u001b[2Jb" }',
        ),
        Notified(BRANCH, 6, 2, "a??[2Jb"),
    ),
    ("shutdown", json.loads(f'{{ {HEAD}, "type": "notification", "notification": "shutdown" }}'), ShuttingDown()),
    ("a type of later versions", {"type": "telepathy"}, Ignored("telepathy")),
    ("no type at all", {}, Ignored("None")),
]


@pytest.mark.parametrize(("event", "message"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_an_event_becomes_a_message(event: Any, message: Message) -> None:
    assert parse(event) == message


def test_compact_prefixes_are_read_too() -> None:
    update = parse_update(BRANCH, Direction.SENT, {"withdraw": {"ipv4 unicast": ["10.0.0.0/16"]}})
    assert update.withdrawn == (IPv4Network("10.0.0.0/16"),)


@pytest.mark.parametrize(
    "event",
    [
        [],
        "x",
        None,
        {"type": "state"},
        {"type": "state", "neighbor": []},
        said("state", '"no-state": 1'),
        said("update", '"direction": "sideways", "message": {}'),
        said("update", '"direction": "send", "message": {}'),
        said("update", '"direction": "send", "message": {"update": {"announce": {"ipv4 unicast": {"x": []}}}}')
        | {"neighbor": {"direction": "send", "message": {}, "address": {"peer": 7}}},
        said("update", '"direction": "send", "message": {"update": {"withdraw": {"ipv4 unicast": [{"nlri": 7}]}}}'),
        said("update", '"direction": "send", "message": {"update": {"withdraw": {"ipv4 unicast": ["10.0.0.1/80"]}}}'),
        said("update", '"direction": "send", "message": {"update": {"attribute": {"as-path": {"0": 1}}}}'),
    ],
)
def test_what_exabgp_does_not_write_is_a_bad_event(event: Any) -> None:
    with pytest.raises(BadEventError):
        parse(event)


_KEYS = ["type", "neighbor", "address", "peer", "state", "direction", "message", "update", "announce", "withdraw"]
_KEYS += ["ipv4 unicast", "nlri", "attribute", "as-path", "0", "value", "med", "eor", "notification", "code"]

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(_KEYS) | st.text(max_size=6),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)


@given(values)
def test_anything_is_a_message_or_a_bad_event(value: object) -> None:
    with contextlib.suppress(BadEventError):
        parse(value)


@given(st.data())
def test_a_damaged_event_is_a_message_or_a_bad_event(data: st.DataObject) -> None:
    event = json.loads(json.dumps(data.draw(st.sampled_from([case[1] for case in CASES]))))
    place: Any = event
    while isinstance(place, dict | list) and place:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else list(range(len(place)))))
        if data.draw(st.booleans()) or not isinstance(place[key], dict | list):
            place[key] = data.draw(values)
            break
        place = place[key]
    with contextlib.suppress(BadEventError):
        parse(event)
