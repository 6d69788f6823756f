"""What the machine has of uplinks, by netlink (rtnetlink(7)), and the writing of routes and rules.

The kernel selects what is dumped (`NETLINK_GET_STRICT_CHK`), so that a hub with many routes is asked for few.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from ipaddress import IPv4Network
from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from hub.provisioner.changes import ProvisionError
from hub.provisioner.ownership import PROTOCOL
from hub.provisioner.uplinks.pins import (
    MAIN_TABLE,
    SYSTEM_TABLES,
    UNICAST,
    UNREACHABLE,
    Interface,
    Route,
    Rule,
    Seen,
)
from hub.provisioner.uplinks.plan import Steps

_KINDS = {1: UNICAST, 7: UNREACHABLE}
"""Of linux/rtnetlink.h: RTN_UNICAST, RTN_UNREACHABLE."""
_ONLINK = 4
_LOOK_UP, _INVERTED = 1, 2
"""FR_ACT_TO_TBL and FIB_RULE_INVERT of linux/fib_rules.h."""
_NOT_SUPPRESSED = 0xFFFF_FFFF
_UNDERSTOOD = frozenset(
    {"FRA_TABLE", "FRA_PRIORITY", "FRA_FWMARK", "FRA_FWMASK", "FRA_SRC", "FRA_SUPPRESS_PREFIXLEN", "FRA_PROTOCOL"}
)
_WHOLE = 0xFFFF_FFFF


def look(interfaces: Iterable[str], tables: Iterable[int]) -> Seen:
    """What there is of these interfaces and in these tables, our own routes wherever they are, and all rules.

    Raises:
        ProvisionError: the kernel does not say.
    """
    with _netlink("the routes and rules cannot be looked at") as kernel:
        names = dict(socket.if_nameindex())
        indexes = {name: index for index, name in names.items()}
        addresses = _addresses(kernel, names)
        found = {
            name: _interface(kernel, indexes[name], names, addresses.get(name, frozenset()))
            for name in interfaces
            if name in indexes
        }
        others = {name: Interface(own) for name, own in addresses.items() if name not in found}
        routes = [_route(each, names) for each in kernel.get_routes(family=socket.AF_INET, proto=PROTOCOL)]
        for table in sorted(set(tables) - SYSTEM_TABLES):
            routes += [_route(each, names) for each in kernel.get_routes(family=socket.AF_INET, table=table)]
        rules = tuple(_rule(each) for each in kernel.get_rules(family=socket.AF_INET))
        return Seen({**others, **found}, rules, tuple(dict.fromkeys(routes)))


def carry_out(steps: Steps) -> None:
    """Make these routes and rules; what is there already, or gone already, is as it should be.

    Raises:
        ProvisionError: the kernel refuses one.
    """
    with _netlink("routes and rules cannot be written") as kernel:
        for route in steps.put:
            with _telling(str(route)):
                kernel.route("replace", **_route_request(route))
        for rule in steps.add:
            with _telling(str(rule), errno.EEXIST):
                kernel.rule("add", **_rule_request(rule))
        for rule in steps.delete:
            with _telling(f"without {rule}", errno.ENOENT):
                kernel.rule("del", **_rule_request(rule))
        for route in steps.drop:
            with _telling(f"without {route}", errno.ESRCH):
                kernel.route("del", **_route_request(route))


@contextmanager
def _netlink(what: str) -> Iterator[Any]:
    try:
        with IPRoute(strict_check=True) as kernel:
            yield kernel
    except (OSError, NetlinkError) as error:
        raise ProvisionError(f"{what}: {error}") from error


@contextmanager
def _telling(what: str, *fine: int) -> Iterator[None]:
    try:
        yield
    except NetlinkError as error:
        if error.code not in fine:
            raise ProvisionError(f"{what}: the kernel refuses it: {error.args[-1]}") from error


def _addresses(kernel: Any, names: Mapping[int, str]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for each in kernel.get_addr(family=socket.AF_INET):
        address = each.get("IFA_LOCAL") or each.get("IFA_ADDRESS")
        if address and each["index"] in names:
            found.setdefault(names[each["index"]], set()).add(str(address))
    return {name: frozenset(addresses) for name, addresses in found.items()}


def _interface(kernel: Any, index: int, names: Mapping[int, str], addresses: frozenset[str]) -> Interface:
    networks, defaults = [], []
    for each in kernel.get_routes(family=socket.AF_INET, oif=index):
        route = _route(each, names)
        if each["type"] != 1 or route.protocol == PROTOCOL:
            continue
        if route.destination == "default":
            defaults.append(route)
        elif route.gateway is None and route.table == MAIN_TABLE:
            networks.append(IPv4Network(route.destination))
    best = min(defaults, key=lambda route: (route.table != MAIN_TABLE, route.metric, route.table), default=None)
    return Interface(addresses, tuple(networks), best)


def _route(message: Any, names: Mapping[int, str]) -> Route:
    via = message.get("RTA_VIA")
    gateway = message.get("RTA_GATEWAY") or (via.get("addr") if isinstance(via, dict) else None)
    index = message.get("RTA_OIF")
    destination = message.get("RTA_DST")
    return Route(
        table=int(message.get("RTA_TABLE") or message["table"]),
        destination=f"{destination}/{message['dst_len']}" if message["dst_len"] else "default",
        gateway=None if gateway is None else str(gateway),
        interface=None if index is None else names.get(index, f"interface {index}"),
        kind=_KINDS.get(message["type"], f"type {message['type']}"),
        source=None if (source := message.get("RTA_PREFSRC")) is None else str(source),
        metric=int(message.get("RTA_PRIORITY") or 0),
        protocol=int(message["proto"]),
        onlink=bool(message["flags"] & _ONLINK),
    )


def _rule(message: Any) -> Rule:
    attributes = dict(message["attrs"])
    suppress = attributes.get("FRA_SUPPRESS_PREFIXLEN", _NOT_SUPPRESSED)
    source, mark = attributes.get("FRA_SRC"), attributes.get("FRA_FWMARK")
    plain = message["action"] == _LOOK_UP and not message["flags"] & _INVERTED and attributes.keys() <= _UNDERSTOOD
    plain = plain and not message["dst_len"] and not message["tos"]
    if mark is not None:
        plain = plain and attributes.get("FRA_FWMASK", _WHOLE) == _WHOLE
    return Rule(
        priority=int(attributes.get("FRA_PRIORITY", 0)),
        table=int(attributes.get("FRA_TABLE", message["table"])),
        mark=None if mark is None else int(mark),
        source=None if source is None else f"{source}/{message['src_len']}",
        suppress=None if suppress == _NOT_SUPPRESSED else int(suppress),
        protocol=int(attributes.get("FRA_PROTOCOL", 0)),
        other=not plain,
    )


def _route_request(route: Route) -> dict[str, Any]:
    asked: dict[str, Any] = {
        "family": socket.AF_INET,
        "dst": route.destination,
        "table": route.table,
        "proto": route.protocol,
        "priority": route.metric,
        "type": route.kind,
    }
    if route.gateway is not None:
        asked["gateway"] = route.gateway
    if route.interface is not None:
        asked["oif"] = _index(route)
        if route.gateway is None:
            asked["scope"] = "link"
    if route.source is not None:
        asked["prefsrc"] = route.source
    if route.onlink:
        asked["flags"] = ["onlink"]
    return asked


def _index(route: Route) -> int:
    try:
        return socket.if_nametoindex(route.interface or "")
    except OSError as error:
        raise ProvisionError(f"{route}: there is no interface {route.interface}") from error


def _rule_request(rule: Rule) -> dict[str, Any]:
    asked: dict[str, Any] = {
        "family": socket.AF_INET,
        "table": rule.table,
        "priority": rule.priority,
        "protocol": rule.protocol,
        "action": "to_tbl",
    }
    if rule.mark is not None:
        asked |= {"fwmark": rule.mark, "fwmask": _WHOLE}
    if rule.source is not None:
        address, _, length = rule.source.partition("/")
        asked |= {"src": address, "src_len": int(length)}
    if rule.suppress is not None:
        asked["FRA_SUPPRESS_PREFIXLEN"] = rule.suppress
    return asked
