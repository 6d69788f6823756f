"""Netlink messages: whatever the bytes are, the decoders answer, and what they read can be worked with."""

from __future__ import annotations

from collections.abc import Iterator

from draw import Draw, check_message

from hub.doctor.reading import network
from hub.forwarder import fib_plan
from hub.forwarder.fib_plan import KernelState
from hub.forwarder.fib_reading import Reading
from hub.forwarder.interfaces import Interfaces
from hub.forwarder.netlink import links, nexthops, routes, rules, wire
from hub.forwarder.netlink.nexthops import Nexthop
from hub.forwarder.netlink.routes import Route
from hub.forwarder.netlink.rules import Rule
from hub.forwarder.netlink.sockets import Failure

_NET = b"\x0a\x01\0\0"
_NET6 = bytes.fromhex("fd000001000000000000000000000000")
WORDS = (
    routes.put(2, Route(_NET, 24, 100, 0x504D0001, 112), 0),
    nexthops.put(2, Nexthop(0x504D0001, 3, 112), 0),
    wire.attribute(3, b"wg-bandung\0"),
    wire.attribute_u32(30, 0x504D0001),
    wire.attribute(1, _NET),
    rules.put(Rule(_NET, 24, 112_000, 11_208, 112)),
)


def fuzz(data: bytes) -> None:
    """One run."""
    draw = Draw(data)
    match draw.byte() % 4:
        case 0:
            check_datagram(draw.rest())
        case 1:
            check_acknowledgement(draw)
        case 2:
            check_reading(draw)
        case _:
            check_links(draw)


def check_datagram(data: bytes) -> None:
    """A datagram of any bytes: no more comes out than went in, and each body is read by every decoder."""
    total = 0
    for kind, flags, _sequence, _port, body in wire.messages(data):
        total += wire.HEADER.size + len(body)
        assert 0 <= kind <= 0xFFFF
        wire.acknowledgement(flags, body)
        for decode in (routes.decode, nexthops.decode, rules.decode, links.decode_link, links.decode_address):
            decode(body)
        check_message(f"of the doctor: {network.decode_interface(body)} {network.decode_route(body, {1: 't1'})}", 2000)
        check_message(f"of the doctor: {network.decode_rule(body)}", 100_000)
    assert total <= len(data)
    assert sum(map(len, wire.attributes(data).values())) <= len(data)


def check_acknowledgement(draw: Draw) -> None:
    """What the kernel refuses can always be told."""
    flags = draw.choice((0, wire.ACK_ATTRIBUTES, wire.ACK_ATTRIBUTES | wire.ACK_CAPPED))
    code, text = wire.acknowledgement(flags, draw.rest())
    if code:
        assert str(Failure(0, code, text))


def message(draw: Draw) -> tuple[int, bytes]:
    """The kind and the body of a message that is nearly right."""
    if draw.byte() % 8 == 7:
        numbers = draw.choice((112_000, 254, 112_256)), draw.choice((11_208, 500))
        rule = Rule(draw.choice((_NET, _NET6)), draw.choice((24, 0)), *numbers, draw.choice((112, 4)))
        kind, body = rules.NEW, rules.put(rule)[16:]
    elif draw.flag():
        length, metric = draw.number(0, 129), draw.choice((0, 100, 7, 0xFFFFFFFF))
        destination = draw.choice((_NET, _NET6, draw.raw(draw.choice((4, 3, 16, 0)))))
        length = length if draw.flag() else {4: 24, 16: 48}.get(len(destination), 0)
        route = Route(destination, length, metric, number(draw), draw.choice((112, 4)))
        kind, body = routes.NEW, routes.put(draw.choice((2, 2, 10)), route, 0)[16:]
    else:
        nexthop = Nexthop(number(draw), draw.number(0, 5), draw.choice((112, 4)))
        kind, body = nexthops.NEW, nexthops.put(draw.choice((2, 10)), nexthop, 0)[16:]
    spoilt = bytearray(body)
    for _ in range(draw.number(0, 3)):
        spoilt[draw.number(0, len(spoilt) - 1)] = draw.byte()
    return kind, bytes(spoilt[: draw.choice((len(spoilt), len(spoilt), draw.number(0, len(spoilt))))])


def number(draw: Draw) -> int:
    """The number of a nexthop, mostly ours."""
    return draw.choice((0x504D0000, 0x504D0001, 0x504D7FFF, 0x504D8000, 0x504D8001, 0, 5))


class Dumps:
    """A kernel that answers a dump with what is drawn."""

    def __init__(self, draw: Draw) -> None:
        self._draw = draw

    def dump(self, request: bytes, piece: int = 0, /) -> Iterator[list[tuple[int, bytes]]]:
        """A few pieces."""
        for _ in range(self._draw.number(0, 3)):
            yield [message(self._draw) for _ in range(self._draw.number(0, 4))]


def check_reading(draw: Draw) -> None:
    """What is read of the kernel can be compared with what is wanted, and the changes written and told."""
    reading = Reading()
    for _ in reading.fill(Dumps(draw)):
        pass
    want = KernelState(
        {0x504D0001: 3, 0x504D8001: 3},
        {(_NET, 24, 100): 0x504D0001, (_NET, 24, 0xFFFFFFFF): 0, (_NET6, 48, 100): 0x504D8001},
    )
    have = reading.ours
    plan = fib_plan.plan(want, have, reading.foreign, sweep=True)
    for _ in range(100):
        operations = plan.take(have, 2)
        for operation in operations:
            fib_plan.request(operation)
            fib_plan.done(operation, have)
    assert not plan
    assert have.nexthops == want.nexthops
    assert have.rules == want.rules
    assert set(have.routes) <= set(want.routes)
    assert all(want.routes[key] == value for key, value in have.routes.items() if key not in reading.foreign)
    assert all(key in have.routes or key in reading.foreign for key in want.routes)
    for key in (*have.routes, *reading.foreign):
        check_message(fib_plan.prefix_text(key))
    assert not reading.foreign_ids & set(have.nexthops) - {0x504D0001, 0x504D8001}


def check_links(draw: Draw) -> None:
    """Interfaces that come, go and change their names: what is told of them agrees with what is known."""
    known, names = Interfaces(), dict[str, int]()
    for _ in range(50):
        if not draw:
            return
        name = draw.choice((b"t1", b"t2", b"wg-bandung", b"", b"\xff\xfe", draw.raw(3)))
        flags = draw.choice((0x10001, 0x1, 0))
        header = links._LINK_HEADER.pack(0, 0, draw.number(1, 4), flags, 0)
        link = links.decode_link(header + wire.attribute(3, name + b"\0")[: draw.choice((99, 99, 5))])
        if link is None or names.get(link.name, link.index) != link.index:
            continue  # the kernel never has two interfaces of one name
        names = {name: index for name, index in names.items() if index != link.index} | {link.name: link.index}
        changes = known.gone(link) if draw.byte() % 4 == 0 else known.changed(link)
        for change in changes:
            assert change.up == bool(known.usable(change.name)) or len(changes) > 1
        for present, up in known.present().items():
            assert bool(known.usable(present)) == up
