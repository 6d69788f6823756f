"""The controller's lines to the forwarder, obeyed over a kernel that behaves like Linux, while tunnels come and go."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

from draw import Draw, check_message, dumps
from forwarder_fakes import FakeClock, World

from hub.control.lines import BadLineError, LineReader, encode
from hub.controller.forwarder_lines import events_of
from hub.forwarder import fib_plan, state
from hub.forwarder.fib_plan import destination, nexthop_ids
from hub.forwarder.fields import FieldError
from hub.forwarder.netlink.links import LocalAddress
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
        **({"local6": f"fd00::{number}:0", "remote6": f"fd00::{number}:1"} if interface != "t2" else {}),
    }
    for number, (branch, uplink, interface) in enumerate(
        (("bandung", "fiber", "t1"), ("bandung", "wireless", "t2"), ("bogor", "fiber", "t3"))
    )
]
_STATIC = 4
_UNTIL_READ_AGAIN = 65.0
"""Seconds in which the forwarder reads the kernel twice, undisturbed."""
_ADDRESSES = (
    [], [LocalAddress(4, bytes((10, 0, 0, 1)))], [LocalAddress(4, bytes((10, 0, 0, 2)), usable=False)],
    [LocalAddress(4, bytes((10, 0, 0, 3)), lasting=False), LocalAddress(4, bytes((10, 255, 0, 0)))],
    [LocalAddress(4, bytes.fromhex("fd00000a000000000000000000000001")), LocalAddress(1, bytes((10, 0, 0, 9)))],
)  # fmt: skip
_NAMES = [tunnel["name"] for tunnel in _TUNNELS]
_CLASS = {
    "name": "bandung",
    "branch": "bandung",
    "prefixes": ["10.1.0.0/24", "fd00:1::/64"],
    "order": ["bandung/fiber", "bandung/wireless"],
    "active": "bandung/fiber",
    "reason": "first choice",
    "based_on_epoch": 0,
}
_OTHER = _CLASS | {"name": "bogor", "prefixes": ["10.2.0.0/24"], "order": ["bogor/fiber"], "active": None}
_OF_A_CLASS: list[tuple[str, list[Any]]] = [
    ("active", [*_NAMES, None]),
    ("order", [_NAMES, _NAMES[::-1], _NAMES[:1], _NAMES[1:2], _NAMES[2:], []]),
    ("prefixes", [
        ["10.1.0.0/24"], ["10.2.0.0/24"], ["fd00:1::/64"], ["10.1.0.0/24", "fd00:1::/64"],
        ["10.3.0.0/25", "10.3.0.128/25"],
        [], ["fd00:2::/64", "10.2.0.0/24"], ["0.0.0.0/0", "::/0"],
    ]),
    ("based_on_epoch", [0, 1, 2, 3, 50, (1 << 53) - 1]),
    ("name", ["bandung", "bogor", "cirebon"]),
    ("branch", ["bogor"]),
    ("sources", [["10.0.10.0/24"], ["10.0.0.0/16", "10.0.10.0/24"], ["fd00:a::/48"], ["0.0.0.0/0", "::/0"], [], None]),
]  # fmt: skip
_SET_TUNNELS = {"set": "tunnels", "tunnels": _TUNNELS}
_SET_CLASSES = {
    "set": "classes",
    "classes": [_CLASS, _OTHER],
    "unreachable": ["10.1.0.0/24", "10.2.0.0/24"],
    "probe": {"prefixes": ["10.0.0.0/16"], "prefer": "10.0.0.1"},
}
_CHANGES: dict[str, list[tuple[tuple[str | int, ...], list[Any]]]] = {
    "tunnels": [
        (("tunnels",), [[], _TUNNELS[:1], _TUNNELS[1:], _TUNNELS[::-1]]),
        *((("tunnels", number, "interface"), ["t1", "t2", "t3", "t4"]) for number in range(3)),
        *((("tunnels", number, "name"), _NAMES) for number in range(3)),
        (("tunnels", 0, "active", "method"), ["icmp"]),
        (("tunnels", 1, "remote6"), ["fd00::1:1"]),
    ],
    "classes": [
        (("classes",), [[], [_CLASS], [_OTHER], [_OTHER, _CLASS], [_CLASS, _OTHER, _CLASS | {"name": "b"}]]),
        *((("classes", number, key), values) for number in range(2) for key, values in _OF_A_CLASS),
        (("unreachable",), [[], ["10.0.0.0/8", "fd00::/16"], ["10.1.0.0/24"], ["0.0.0.0/0"]]),
        (("probe", "prefixes"), [[], ["10.0.0.0/16", "fd00:a::/48"], ["fd00:a::/48"], ["0.0.0.0/0"]]),
        (("probe", "prefer"), ["10.255.0.0", "10.0.0.2"]),
    ],
    "order": [(("order", key), values) for key, values in _OF_A_CLASS],
}
"""What else may stand where in a line, so that it can still be obeyed."""
_LINES: list[Any] = [
    _SET_TUNNELS, _SET_CLASSES, {"order": _CLASS}, {"order": _OTHER}, {"look": ["bandung"]}, {"get": "status"},
    {"stop": "planned"},
]  # fmt: skip
_VALUES: list[Any] = [
    *_CLASS, *_TUNNELS[0], *_NAMES, "t1", "t2", "t3", "bandung", "bogor", "10.1.0.0/24", "10.2.0.0/24", "10.1.0.0/25",
    "set", "tunnels", "classes", "order", "look", "get", "stop", "unreachable", "probe", "prefixes", "prefer", "icmp",
    "sources", "2001:db8:1::/48", "2001:DB8:1::/48", (1 << 53) - 1, _CLASS, _OTHER, _TUNNELS[0],
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
    if draw.flag():
        world.forwarder.adopt(lambda: None)
    checked = None
    for _ in range(16):
        if not draw:
            break
        world = happen(world, draw)
        checked = check(world, checked)
    world.kernel.fail_next = world.kernel.interrupt = 0
    world.clock.run(_UNTIL_READ_AGAIN)
    check(world, checked)
    check_kernel(world)


def check_bytes(data: bytes) -> None:
    """Lines of any bytes are read or refused."""
    world = World()
    obey(world, data)
    obey(world, b"\n")
    check(world)


def happen(world: World, draw: Draw) -> World:
    """A line, a tunnel's state, a link, the kernel, time, or another process of the forwarder."""
    match draw.byte() % 16:
        case 0 if world.engine.tunnels:
            world.engine.say(draw.choice(sorted(world.engine.tunnels)), draw.choice(("up", "down", "unknown")))
        case 1:
            world.link_down(draw.number(1, 3))
        case 2:
            world.link_up(draw.number(1, 3))
        case 3:
            world.clock.run(draw.choice((0.0, 0.05, 1.0, 31.0)))
        case 4:
            meddle(world, draw)
        case 5 if world.engine.tunnels:
            tunnel = draw.choice(sorted(world.engine.tunnels))
            world.engine.on_path(tunnel.partition("/")[0], tunnel, world.clock.now(), draw.choice((4, 6)))
        case 6:
            world.forwarder.addresses_changed(draw.choice(_ADDRESSES))
        case 7:
            return restarted(world, draw)
        case 8 | 9:
            obey(world, dumps(draw.spoilt(draw.choice(_LINES), _VALUES)) + b"\n")
        case _:
            obey(world, dumps(changed(draw)) + b"\n")
    return world


def changed(draw: Draw) -> Any:
    """A line in which a few things are different, and which can be obeyed all the same."""
    line = deepcopy(draw.choice(_LINES[:4]))
    changes = _CHANGES[line.get("set", "order")]
    for _ in range(draw.number(0, 3)):
        path, values = draw.choice(changes)
        place = line
        try:
            for key in path[:-1]:
                place = place[key]
            place[path[-1]] = deepcopy(draw.choice(values))
        except IndexError:  # an earlier change took it away
            continue
    return line


def meddle(world: World, draw: Draw) -> None:
    """The kernel refuses, is changed while it is read, or others do something to it."""
    kernel, have = world.kernel, world.forwarder.fib.have
    match draw.byte() % 8:
        case 0 | 1:
            kernel.fail_next = draw.number(1, 3)
        case 2:
            kernel.interrupt = draw.number(1, 5)
        case 3 if kernel.nexthops:
            number = draw.choice(sorted(kernel.nexthops))
            del kernel.nexthops[number]
            kernel.routes = {key: value for key, value in kernel.routes.items() if value[0] != number}
        case 4 if kernel.routes:
            del kernel.routes[draw.choice(sorted(kernel.routes))]
        case 5:
            number = fib_plan.FIRST_NEXTHOP_ID + draw.choice((0, 1, 2, fib_plan.IPV6_OFFSET))
            if number not in kernel.nexthops and number not in have.nexthops and 1 in kernel.up:
                kernel.nexthops[number] = (1, _STATIC)
        case _:
            network, length = destination(draw.choice(("10.1.0.0/24", "10.2.0.0/24", "fd00:1::/64", "10.3.0.0/25")))
            key = network, length, draw.choice((fib_plan.ROUTE_METRIC, 0, 4_278_198_272, 1024))
            if key not in kernel.routes and key not in have.routes:
                kernel.routes[key] = 0, draw.choice((_STATIC, 12, 200))


def restarted(world: World, draw: Draw) -> World:
    """The next process on the same kernel, which may have been changed meanwhile, from what the last one saved.

    A number of the state file is never somebody else's: until the kernel is read, the forwarder relies on that.
    """
    kernel, saved = world.kernel, world.forwarder.saved("boot")
    for number in [*saved.ids.values(), *(number + fib_plan.IPV6_OFFSET for number in saved.ids.values())]:
        if kernel.nexthops.get(number, (0, fib_plan.PROTOCOL))[1] != fib_plan.PROTOCOL:
            del kernel.nexthops[number]
    ours = [number for number, (_interface, protocol) in kernel.nexthops.items() if protocol == fib_plan.PROTOCOL]
    if ours and kernel.up and draw.flag():
        kernel.nexthops[draw.choice(sorted(ours))] = draw.choice(sorted(kernel.up)), fib_plan.PROTOCOL
    after = World(kernel, FakeClock())
    after.clock.time = world.clock.time
    after.forwarder.restore(state.decode(state.encode(saved)))
    assert {each.name for each in after.forwarder.classes.values()} == {each.name for each in saved.classes}
    after.forwarder.adopt(lambda: None)
    return after


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
    sources = [(each, source) for each in saved.classes for source in each.sources or ("",)]
    places = [(source, destination(prefix)) for each, source in sources for prefix in each.prefixes]
    assert len(set(places)) == len(places), "a prefix is in two classes of one source, or twice in one"
    assert len(set(saved.tables.values())) == len(saved.tables), "two sources in one table"
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
