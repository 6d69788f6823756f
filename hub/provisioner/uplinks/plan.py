"""What differs between the pins that are wanted and the machine. Pure: values in, changes and refusals out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address

from hub.provisioner.changes import Change, Planned, Refusal
from hub.provisioner.ownership import PROTOCOL
from hub.provisioner.uplinks.pins import (
    MAIN_TABLE,
    SYSTEM_TABLES,
    UNICAST,
    Interface,
    Pin,
    Route,
    Rule,
    Seen,
    is_ours,
)
from hub.provisioner.wanted import Wanted, WantedUplink

SLICE = "uplinks"
DHCP = "dhcp"


@dataclass(frozen=True, slots=True)
class Steps:
    """A Steps is the work of one change, in this order: routes first, so that a rule never looks up an empty table."""

    put: tuple[Route, ...] = ()
    add: tuple[Rule, ...] = ()
    delete: tuple[Rule, ...] = ()
    drop: tuple[Route, ...] = ()

    def __str__(self) -> str:
        made = [f"table {route.table}: {route}" for route in self.put] + [str(rule) for rule in self.add]
        gone = [str(rule) for rule in self.delete] + [f"table {route.table}: {route}" for route in self.drop]
        return "; ".join([*made, *(f"without {each}" for each in gone)])


def pins_of(wanted: Wanted, seen: Seen) -> tuple[tuple[Pin, ...], tuple[Refusal, ...]]:
    """The pins that can be, and why others can't. An uplink without interface or gateway is not pinned."""
    pins, refusals = [], []
    for uplink in wanted.uplinks:
        if uplink.interface is None or uplink.gateway is None:
            continue
        found = _pin(uplink, uplink.interface, uplink.gateway, seen)
        if isinstance(found, Pin):
            pins.append(found)
        else:
            refusals.append(Refusal(SLICE, target_of(uplink.name), *found))
    return tuple(pins), tuple(refusals)


def plan_pins(wanted: Wanted, seen: Seen) -> Planned:
    """The changes from what is there to what is wanted. The pins of an uplink that is refused stay as they are."""
    pins, refusals = pins_of(wanted, seen)
    changes = [change for pin in pins if (change := _change(pin, seen)) is not None]
    kept = {uplink.mark for uplink in wanted.uplinks if uplink.interface is not None and uplink.gateway is not None}
    return Planned((*changes, *_stale(seen, kept, pins)), refusals)


def target_of(uplink: str) -> str:
    """How an uplink of the hub is named among targets."""
    return f"uplink {uplink}"


def _pin(uplink: WantedUplink, name: str, gateway: str, seen: Seen) -> Pin | tuple[str, str]:
    """The pin, or what stands in its way, and the mend."""
    interface = seen.interfaces.get(name)
    if interface is None:
        return f"there is no interface {name}", f"write the interface of uplink {uplink.name} in network.yaml"
    if uplink.address is not None and uplink.address not in seen.addresses:
        has = ", ".join(sorted(interface.addresses)) or "none"
        mend = f"write the address that {name} has, or leave address out"
        return f"address {uplink.address} is not on this machine ({name} has {has})", mend
    if (taken := _taken(uplink.mark, seen)) is not None:
        return taken
    if gateway == DHCP:
        lease = interface.default
        if lease is None:
            mend = f"see whether {name} has a lease (ip route show dev {name}), or write the gateway's address"
            return f"gateway: dhcp, but this machine has no default route through {name}", mend
        return Pin(uplink.name, uplink.mark, name, lease.gateway, uplink.address, lease.onlink)
    if not any(IPv4Address(gateway) in network for network in interface.networks):
        return _unreachable(name, gateway, interface)
    return Pin(uplink.name, uplink.mark, name, gateway, uplink.address)


def _unreachable(name: str, gateway: str, interface: Interface) -> tuple[str, str]:
    networks = ", ".join(map(str, interface.networks)) or "none: is it up, and has it an address?"
    return f"gateway {gateway} is on no network of {name} ({networks})", "write the gateway's address in network.yaml"


def _taken(mark: int, seen: Seen) -> tuple[str, str] | None:
    """Somebody else's use of this mark or table."""
    mend = "write another mark for this uplink in network.yaml, one that nothing else on this machine uses"
    for route in seen.routes:
        if route.table == mark and route.protocol != PROTOCOL:
            return f"routing table {mark} has a route that is not ours: {route}", mend
    for rule in seen.rules:
        if rule.mark == mark and not is_ours(rule) and not rule.other:
            return f"mark {mark} is used by a rule that is not ours: {rule} (priority {rule.priority})", mend
    return None


def _change(pin: Pin, seen: Seen) -> Change | None:
    mine = [route for route in seen.routes if route.table == pin.table and route.protocol == PROTOCOL]
    rules = [rule for rule, table in _owned(seen).items() if table == pin.table or rule in pin.rules]
    steps = Steps(
        put=tuple(route for route in pin.routes if route not in mine),
        add=tuple(rule for rule in pin.rules if rule not in rules),
        delete=tuple(rule for rule in rules if rule not in pin.rules),
        drop=tuple(route for route in mine if _key(route) not in set(map(_key, pin.routes))),
    )
    if steps == Steps():
        return None
    return Change(SLICE, target_of(pin.uplink), _text(pin, mine, rules, steps), how=steps)


def _owned(seen: Seen) -> dict[Rule, int]:
    """Our rules, each with the table of the uplink that it is for: what lets main answer first is its source's."""
    ours = [rule for rule in seen.rules if is_ours(rule)]
    by_source = {rule.source: rule.table for rule in ours if rule.table != MAIN_TABLE}
    return {rule: by_source.get(rule.source, 0) if rule.table == MAIN_TABLE else rule.table for rule in ours}


def _key(route: Route) -> tuple[int, str, int]:
    """What tells routes apart for the kernel: putting one takes the place of another of the same key."""
    return route.table, route.destination, route.metric


def _text(pin: Pin, mine: Iterable[Route], rules: Iterable[Rule], steps: Steps) -> str:
    was = next((route for route in mine if route.kind == UNICAST and route.destination == "default"), None)
    if was is None and pin.rules[0] not in rules:
        return f"keep what has mark {pin.table}{f' or is from {pin.address}' if pin.address else ''} on {pin}"
    if was is not None and (was.gateway, was.interface) != (pin.gateway, pin.interface):
        return f"go by {pin} in place of {was.interface} via {was.gateway}"
    return f"put right: {steps}"


def _stale(seen: Seen, kept: set[int], pins: Iterable[Pin]) -> Iterator[Change]:
    """The rules and tables of uplinks that are gone, or are pinned no longer: rules first."""
    routes = [route for route in seen.routes if route.protocol == PROTOCOL and route.destination == "default"]
    routes = [route for route in routes if route.table not in kept | SYSTEM_TABLES]
    wanted = {rule for pin in pins for rule in pin.rules}
    gone = {rule: table for rule, table in _owned(seen).items() if table not in kept and rule not in wanted}
    for table in sorted({*gone.values(), *(route.table for route in routes)}):
        steps = Steps(
            delete=tuple(rule for rule, of in gone.items() if of == table),
            drop=tuple(route for route in routes if route.table == table),
        )
        text = f"take away what kept mark {table} on an uplink that is no longer wanted: {steps}"
        yield Change(SLICE, f"table {table}", text, removes=True, how=steps)
