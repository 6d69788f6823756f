"""What the controller may say to the forwarder, read strictly; see docs/reference/sockets.md.

An order is read whole before any of it is obeyed: a bad one changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from hub.forwarder.classes import LARGEST_EPOCH, Order
from hub.forwarder.fib_plan import destination, prefix_text
from hub.forwarder.fields import FieldError, Fields, unique
from hub.forwarder.health.burst import BurstOrder
from hub.forwarder.liveness.model import Method, ProbeRate, Timers, TunnelSpec
from hub.forwarder.steps import Steps, at_once, pieces
from hub.forwarder.tracing import TraceOrder, parse_trace

SHORTEST_INTERVAL_MS, LONGEST_INTERVAL_MS = 5, 60_000
SHORTEST_PROBE_MS = 10
LONGEST_BURST = 1_000
"""Probes."""
LARGEST_MULTIPLIER = 255
LONGEST_INTERFACE = 15
"""Characters of an interface's name (IFNAMSIZ less its zero)."""
MOST_CLASSES = 10_000
MOST_SOURCES = 200
"""Different source prefixes in one line: each has a table of its own."""
PREFIXES_A_STEP = 250
"""What is read in less than 1 ms."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A Probe is where return-path probes come from: an own address within `prefixes`, `prefer` before any other.

    The prefixes are of both IP versions, `prefer` is an IPv4 address.
    """

    prefixes: tuple[str, ...] = ()
    prefer: str | None = None


@dataclass(frozen=True, slots=True)
class SetTunnels:
    """A SetTunnels names all tunnels to be watched."""

    tunnels: tuple[TunnelSpec, ...]


@dataclass(frozen=True, slots=True)
class SetClasses:
    """A SetClasses is all that the kernel should hold."""

    classes: tuple[Order, ...]
    unreachable: tuple[str, ...]
    probe: Probe


@dataclass(frozen=True, slots=True)
class SetOne:
    """A SetOne is one class, new or changed."""

    order: Order


@dataclass(frozen=True, slots=True)
class Look:
    """A Look names the branches whose return path is to be watched closely."""

    branches: frozenset[str]


@dataclass(frozen=True, slots=True)
class SendBurst:
    """A SendBurst asks for many health probes over one tunnel."""

    burst: BurstOrder


@dataclass(frozen=True, slots=True)
class CountForwarded:
    """A CountForwarded names the tunnels over which forwarded packets are to be counted."""

    tunnels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GetStatus:
    """A GetStatus asks for all that is known."""


@dataclass(frozen=True, slots=True)
class StopPlanned:
    """A StopPlanned asks the forwarder to go without looking dead."""


Command = SetTunnels | SetClasses | SetOne | Look | SendBurst | CountForwarded | TraceOrder | GetStatus | StopPlanned


def orders_in(command: Command) -> tuple[Order, ...]:
    """The classes that a command names."""
    match command:
        case SetClasses(classes=classes):
            return classes
        case SetOne(order=order):
            return (order,)
        case _:
            return ()


def parse(message: object) -> Command:
    """The command in one line.

    Raises:
        FieldError: it is no command, or a field of it is wrong; the text names the field.
    """
    return at_once(parsing(message))


def parsing(message: object) -> Steps[Command]:
    """The same in steps: a line may name tens of thousands of prefixes.

    Raises:
        FieldError: as `parse` does.
    """
    fields = Fields(message, "")
    if fields.has("set"):
        match fields.text("set"):
            case "tunnels":
                return (yield from _tunnels(fields))
            case "classes":
                return (yield from _classes(fields))
            case other:
                raise FieldError(f'set: "{other[:40]}" is neither "tunnels" nor "classes"')
    if fields.has("order"):
        fields.only("order")
        return SetOne((yield from _order(fields.raw("order"), "order")))
    for key, read in _OF_ONE_KEY.items():
        if fields.has(key):
            fields.only(key)
            return read(fields)
    if fields.has("get") and fields.text("get") == "status":
        return GetStatus()
    if fields.has("stop") and fields.text("stop") == "planned":
        return StopPlanned()
    raise FieldError(
        'no such command: one of "set", "order", "look", "burst", "count", "trace", "get" ("status") or "stop" '
        '("planned") is needed'
    )


def _tunnels(fields: Fields) -> Steps[SetTunnels]:
    fields.only("set", "tunnels")
    tunnels = []
    for index, value in enumerate(fields.members("tunnels")):
        tunnels.append(parse_tunnel(value, f"tunnels[{index}]"))
        yield
    unique(tuple(tunnel.name for tunnel in tunnels), "tunnels")
    unique(tuple(tunnel.interface for tunnel in tunnels), "tunnels")
    return SetTunnels(tuple(tunnels))


def _classes(fields: Fields) -> Steps[SetClasses]:
    fields.only("set", "classes", "unreachable", "probe")
    values = fields.members("classes")
    if len(values) > MOST_CLASSES:
        raise FieldError(f"classes: {MOST_CLASSES} at most")
    classes = []
    for index, value in enumerate(values):
        classes.append((yield from _order(value, f"classes[{index}]")))
        yield
    unique(tuple(order.name for order in classes), "classes")
    if len({source for order in classes for source in order.sources}) > MOST_SOURCES:
        raise FieldError(f"classes: {MOST_SOURCES} different sources at most")
    yield from _hold_different(classes)
    probe = parse_probe(fields.raw("probe"), "probe") if fields.has("probe") else Probe()
    return SetClasses(tuple(classes), (yield from _prefixes(fields, "unreachable")), probe)


def _hold_different(classes: list[Order]) -> Steps[None]:
    """A prefix is in one class of each source at most, and in one for packets from everywhere ("")."""
    by_source: dict[str, dict[str, str]] = {}
    for index, order in enumerate(classes if len(classes) > 1 else ()):
        for source in order.sources or ("",):
            holders = by_source.setdefault(source, {})
            for piece in pieces(order.prefixes, PREFIXES_A_STEP):
                for prefix in piece:
                    if holders.setdefault(prefix, order.name) != order.name:
                        raise FieldError(f"classes[{index}].prefixes: {prefix} is also in class {holders[prefix]}")
                yield


def parse_tunnel(value: object, place: str) -> TunnelSpec:
    """A `TUNNEL` of the reference.

    Raises:
        FieldError: a field of it is wrong.
    """
    fields = Fields(value, place)
    fields.only(
        "name",
        "branch",
        "interface",
        "local",
        "remote",
        "local6",
        "remote6",
        "isp",
        "hub_uplink",
        "active",
        "idle",
        "confirm",
        "echo",
        "probe",
    )
    dual = fields.has("local6") or fields.has("remote6")
    return TunnelSpec(
        name=fields.text("name"),
        branch=fields.text("branch"),
        interface=parse_interface(fields, "interface"),
        local=fields.address("local"),
        remote=fields.address("remote"),
        isp=fields.text("isp", empty=True),
        hub_uplink=fields.text("hub_uplink", empty=True),
        active=_timers(fields.part("active")),
        idle=_timers(fields.part("idle")),
        local6=fields.address6("local6") if dual else None,
        remote6=fields.address6("remote6") if dual else None,
        confirm=fields.truth("confirm") if fields.has("confirm") else True,
        echo=fields.truth("echo") if fields.has("echo") else False,
        probe=_rate(fields.part("probe")) if fields.has("probe") else None,
    )


def parse_order(value: object, place: str) -> Order:
    """A `CLASS` of the reference.

    Raises:
        FieldError: a field of it is wrong.
    """
    return at_once(_order(value, place))


def _order(value: object, place: str) -> Steps[Order]:
    fields = Fields(value, place)
    fields.only("name", "branch", "prefixes", "sources", "order", "active", "reason", "based_on_epoch")
    order = unique(fields.each("order", _name), fields.place("order"))
    active = fields.text("active") if fields.has("active") else None
    if active is not None and active not in order:
        raise FieldError(f'{fields.place("active")}: "{active[:80]}" is not in the order')
    return Order(
        name=fields.text("name"),
        branch=fields.text("branch"),
        prefixes=(yield from _each_once((yield from _prefixes(fields, "prefixes")), fields.place("prefixes"))),
        order=order,
        active=active,
        reason=fields.text("reason", empty=True),
        based_on_epoch=fields.number("based_on_epoch", 0, LARGEST_EPOCH),
        sources=(yield from _sources(fields)) if fields.has("sources") else (),
    )


def _sources(fields: Fields) -> Steps[tuple[str, ...]]:
    place, sources = fields.place("sources"), (yield from _prefixes(fields, "sources"))
    if len(sources) > MOST_SOURCES:
        raise FieldError(f"{place}: {MOST_SOURCES} at most")
    return unique(sources, place)


def parse_probe(value: object, place: str) -> Probe:
    """Where return-path probes come from.

    Raises:
        FieldError: a field of it is wrong.
    """
    fields = Fields(value, place)
    fields.only("prefixes", "prefer")
    prefer = fields.address("prefer") if fields.has("prefer") else None
    return Probe(parse_prefixes(fields, "prefixes"), prefer)


def parse_prefix(value: object, place: str) -> str:
    """A prefix in its one spelling, so that texts can be compared.

    Raises:
        FieldError: it is none.
    """
    if not isinstance(value, str):
        raise FieldError(f"{place}: a prefix is needed, such as 10.1.0.0/24")
    try:
        return _spelling(value)
    except ValueError as error:
        raise FieldError(f"{place}: {error}") from error


@lru_cache(maxsize=65_536)
def _spelling(prefix: str) -> str:
    network, length = destination(prefix)
    return prefix_text((network, length, 0)) if ":" in prefix else prefix


def parse_prefixes(fields: Fields, key: str) -> tuple[str, ...]:
    """A list of prefixes, which may be long: only what is wrong costs more than a look.

    Raises:
        FieldError: it is no list, or one of its members is no prefix.
    """
    return at_once(_prefixes(fields, key))


def _prefixes(fields: Fields, key: str) -> Steps[tuple[str, ...]]:
    found: list[str] = []
    for piece in pieces(fields.members(key), PREFIXES_A_STEP):
        try:
            found += [_spelling(prefix) for prefix in piece]
        except (ValueError, TypeError, AttributeError):
            for index, prefix in enumerate(piece, len(found)):
                parse_prefix(prefix, f"{fields.place(key)}[{index}]")
            raise
        yield
    return tuple(found)


def _each_once(prefixes: tuple[str, ...], place: str) -> Steps[tuple[str, ...]]:
    seen: set[str] = set()
    for piece in pieces(prefixes, PREFIXES_A_STEP):
        seen.update(piece)
        yield
    return prefixes if len(seen) == len(prefixes) else unique(prefixes, place)


def parse_interface(fields: Fields, key: str) -> str:
    """The name of an interface, as the kernel allows it.

    Raises:
        FieldError: it is none.
    """
    name = fields.text(key)
    if len(name.encode()) > LONGEST_INTERFACE or name in {".", ".."} or "/" in name or any(map(str.isspace, name)):
        raise FieldError(f"{fields.place(key)}: the name of an interface is needed")
    return name


def _timers(fields: Fields) -> Timers:
    fields.only("method", "interval_ms", "multiplier")
    method: Method
    match fields.text("method"):
        case "bfd":
            method = "bfd"
        case "icmp":
            method = "icmp"
        case _:
            raise FieldError(f'{fields.place("method")}: "bfd" or "icmp" is needed')
    return Timers(
        method=method,
        interval_ns=fields.milliseconds("interval_ms", SHORTEST_INTERVAL_MS, LONGEST_INTERVAL_MS),
        multiplier=fields.number("multiplier", 1, LARGEST_MULTIPLIER),
    )


def _rate(fields: Fields) -> ProbeRate:
    fields.only("active_ms", "idle_ms")
    return ProbeRate(
        active_ns=fields.milliseconds("active_ms", SHORTEST_PROBE_MS, LONGEST_INTERVAL_MS),
        idle_ns=fields.milliseconds("idle_ms", SHORTEST_PROBE_MS, LONGEST_INTERVAL_MS),
    )


def _burst(fields: Fields) -> BurstOrder:
    fields.only("tunnel", "count", "interval_ms")
    return BurstOrder(
        tunnel=_name(fields.raw("tunnel"), fields.place("tunnel")),
        count=fields.number("count", 1, LONGEST_BURST),
        interval_ns=fields.milliseconds("interval_ms", 1, 1_000),
    )


_OF_ONE_KEY: dict[str, Callable[[Fields], Command]] = {
    "look": lambda fields: Look(frozenset(fields.each("look", _name))),
    "burst": lambda fields: SendBurst(_burst(fields.part("burst"))),
    "count": lambda fields: CountForwarded(unique(fields.each("count", _name), "count")),
    "trace": lambda fields: parse_trace(fields.part("trace")),
}


def _name(value: object, place: str) -> str:
    if not isinstance(value, str) or not value or len(value) > 200 or not value.isprintable():
        raise FieldError(f"{place}: a name is needed")
    return value
