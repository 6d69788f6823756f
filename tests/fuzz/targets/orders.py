"""The controller's lines to the forwarder, obeyed over a kernel that behaves like Linux, while tunnels come and go."""

from __future__ import annotations

import json
from typing import Any

from draw import Draw, check_message, dumps
from forwarder_fakes import World

from hub.control.lines import BadLineError, LineReader, encode
from hub.controller.forwarder_lines import events_of
from hub.forwarder import state
from hub.forwarder.fib_plan import destination, nexthop_ids
from hub.forwarder.fields import FieldError
from hub.forwarder.orders import parse

_TIMERS = {"method": "bfd", "interval_ms": 50, "multiplier": 3}
_TUNNELS = [
    {
        "name": f"{branch}/{uplink}",
        "branch": branch,
        "interface": interface,
        "local": f"10.255.0.{2 * number}",
        "remote": f"10.255.0.{2 * number + 1}",
        "isp": uplink,
        "hub_uplink": "telkom",
        "active": _TIMERS,
        "idle": _TIMERS | {"interval_ms": 1000},
    }
    for number, (branch, uplink, interface) in enumerate(
        (("bandung", "fiber", "t1"), ("bandung", "wireless", "t2"), ("bogor", "fiber", "t3"))
    )
]
_NAMES = [tunnel["name"] for tunnel in _TUNNELS]
_CLASS = {
    "name": "bandung",
    "branch": "bandung",
    "prefixes": ["10.1.0.0/24"],
    "order": ["bandung/fiber", "bandung/wireless"],
    "active": "bandung/fiber",
    "reason": "first choice",
    "based_on_epoch": 0,
}
_OTHER = _CLASS | {"name": "bogor", "prefixes": ["10.2.0.0/24"], "order": ["bogor/fiber"], "active": None}
_SET_TUNNELS = {"set": "tunnels", "tunnels": _TUNNELS}
_SET_CLASSES = {
    "set": "classes",
    "classes": [_CLASS, _OTHER],
    "unreachable": ["10.1.0.0/24", "10.2.0.0/24"],
    "probe": {"prefixes": ["10.0.0.0/16"], "prefer": "10.0.0.1"},
}
_LINES: list[Any] = [
    _SET_TUNNELS, _SET_CLASSES, {"order": _CLASS}, {"order": _OTHER}, {"look": ["bandung"]}, {"get": "status"},
    {"stop": "planned"},
]  # fmt: skip
_VALUES: list[Any] = [
    *_CLASS, *_TUNNELS[0], *_NAMES, "t1", "t2", "t3", "bandung", "bogor", "10.1.0.0/24", "10.2.0.0/24", "10.1.0.0/25",
    "set", "tunnels", "classes", "order", "look", "get", "stop", "unreachable", "probe", "prefixes", "prefer", "icmp",
    "2001:db8:1::/48", "2001:DB8:1::/48", (1 << 53) - 1, _CLASS, _OTHER, _TUNNELS[0],
]  # fmt: skip
WORDS = tuple(json.dumps(line).encode()[:60] for line in _LINES) + tuple(json.dumps(word).encode() for word in _VALUES)


def fuzz(data: bytes) -> None:
    """One run."""
    draw = Draw(data)
    if draw.byte() % 8 == 0:
        check_bytes(draw.rest())
        return
    world = World()
    if draw.flag():
        obey(world, dumps(_SET_TUNNELS) + b"\n")
        obey(world, dumps(_SET_CLASSES) + b"\n")
    world.forwarder.adopt(lambda: None)
    checked = None
    for _ in range(12):
        if not draw:
            break
        happen(world, draw)
        checked = check(world, checked)
    world.clock.run(5)
    check(world, checked)
    check_kernel(world)


def check_bytes(data: bytes) -> None:
    """Lines of any bytes are read or refused."""
    world = World()
    obey(world, data)
    obey(world, b"\n")
    check(world)


def happen(world: World, draw: Draw) -> None:
    """A line, a tunnel's state, a link, or time."""
    match draw.byte() % 8:
        case 0 if world.engine.tunnels:
            world.engine.say(draw.choice(sorted(world.engine.tunnels)), draw.choice(("up", "down", "unknown")))
        case 1:
            world.link_down(draw.number(1, 3))
        case 2:
            world.link_up(draw.number(1, 3))
        case 3:
            world.clock.run(draw.choice((0.0, 0.05, 1.0, 31.0)))
        case _:
            obey(world, dumps(draw.spoilt(draw.choice(_LINES), _VALUES)) + b"\n")


def obey(world: World, data: bytes) -> None:
    """What the server does with what it receives; a line that is refused changes nothing."""
    try:
        messages = LineReader().feed(data)
    except BadLineError as error:
        check_message(str(error))
        return
    for message in messages:
        before = world.forwarder.saved("boot"), world.told.copy()
        try:
            world.forwarder.obey(parse(message))
        except FieldError as error:
            check_message(str(error))
            assert (world.forwarder.saved("boot"), world.told) == before, "a refused line changed something"


def check(world: World, checked: state.SavedState | None = None) -> state.SavedState:
    """What always holds: what is said is understood by the controller, and what is saved is read again, unless it is
    what was `checked` before. What is saved now."""
    for message in (*world.told, {"snapshot": world.forwarder.snapshot()}):
        (heard,) = LineReader().feed(encode(message))
        understood = True
        try:
            list(events_of(heard))
        except BadLineError:
            understood = False
        assert understood or not tunnels_in(heard) <= set(_NAMES), f"the controller does not understand {message}"
    world.told.clear()
    saved = world.forwarder.saved("boot")
    if saved == checked:
        return saved
    assert state.decode(state.encode(saved)) == saved
    assert len(set(saved.ids.values())) == len(saved.ids), "two classes on one nexthop"
    places = [destination(prefix) for each in saved.classes for prefix in each.prefixes]
    assert len(set(places)) == len(places), "a prefix is in two classes, or twice in one"
    for each in saved.classes:
        assert each.active is None or each.active in each.order
    return saved


def tunnels_in(value: Any) -> set[str]:
    """The tunnels that a message names; the controller's have names of two parts, a spoilt line's may not."""
    if isinstance(value, list):
        return set().union(*map(tunnels_in, value))
    if not isinstance(value, dict):
        return set()
    own = {value[key] for key in ("tunnel", "active") if isinstance(value.get(key), str)}
    order = value.get("order")
    return own.union(order if isinstance(order, list) else (), *map(tunnels_in, value.values()))


def check_kernel(world: World) -> None:
    """Every class that is told to be installed is."""
    for each in world.forwarder.snapshot()["classes"]:
        if each["installed"]:
            for number in nexthop_ids(each["nexthop"], each["prefixes"]):
                assert world.kernel.nexthops[number][0] == world.forwarder.interface_index(each["active"])
