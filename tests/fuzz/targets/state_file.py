"""The forwarder's state file: whatever is in it, it is refused in one line, or the forwarder goes on from it."""

from __future__ import annotations

import json
from typing import Any

from draw import Draw, check_message, dumps
from forwarder_fakes import FakeKernel, World, a_tunnel, an_order

from hub.control.lines import encode as encode_line
from hub.forwarder.classes import ForwardingClass, obey
from hub.forwarder.fib_plan import PROTOCOL
from hub.forwarder.liveness.model import SessionMemory
from hub.forwarder.orders import Probe
from hub.forwarder.state import SavedState, StateFileError, after_reboot, decode, encode
from speaker.bfd.memory import Memory
from speaker.bfd.session import Session
from speaker.bfd.timing import SessionTimers

_BFD = Memory(11, 3, 22, 3, 50_000_000, 50_000_000, 50_000_000, 50_000_000)
_ORDERS = (
    obey(an_order(prefixes=("10.1.0.0/24", "fd00:1::/64"), epoch=3), None, {}, 77),
    obey(an_order("bogor", ("10.2.0.0/24", "10.3.0.0/24"), ("bogor/fiber",), None), None, {}, 78),
)
_STATE = SavedState(
    boot="b1",
    tunnels=(
        a_tunnel("bandung/fiber", "t1", ipv6=True),
        a_tunnel("bandung/wireless", "t2"),
        a_tunnel("bogor/fiber", "t3"),
    ),
    classes=tuple(each for each in _ORDERS if isinstance(each, ForwardingClass)),
    ids={"bandung": 0x504D0001, "bogor": 0x504D0002},
    interfaces={"bandung/fiber": "t1", "bandung/wireless": "t2", "bogor/fiber": "t3"},
    unreachable=("10.1.0.0/24", "fd00::/16"),
    probe=Probe(("10.0.0.0/16", "fd00:a::/48"), "10.0.0.1"),
    memory={"bandung/fiber": SessionMemory("up", 5, "heard", _BFD), "bogor/fiber": SessionMemory("down", 6, "silent")},
)
_CONTENT = json.loads(encode(_STATE))
_VALUES: list[Any] = [
    *_CONTENT, *_CONTENT["classes"][0], *_CONTENT["tunnels"][0], *_CONTENT["interfaces"], "t1", "bandung", "bogor",
    0x504D0001, 0x504D7FFF, 0x504D8000, "up", "down", "unknown", "fd00::1", "fd00:1::/64", *_BFD.to_json(),
    (1 << 63) - 1,
]  # fmt: skip
WORDS = (encode(_STATE)[:60], *(json.dumps(word).encode() for word in _VALUES))


def fuzz(data: bytes) -> None:
    """One run."""
    draw = Draw(data)
    content = draw.rest() if draw.byte() % 8 == 0 else dumps(draw.spoilt(_CONTENT, _VALUES))
    try:
        saved = decode(content)
    except StateFileError as error:
        check_message(str(error))
        return
    assert decode(encode(saved)) == saved
    if draw.flag():
        saved = after_reboot(saved, 9)
    start(saved, kernel(draw))


def kernel(draw: Draw) -> FakeKernel:
    """What the process before left behind, or less, or other things too.

    A number of the state file is never somebody else's: until the kernel is read, the forwarder relies on that.
    """
    made = FakeKernel(draw.choice(((1, 2, 3), (1,), ())))
    ours = ((number, interface, PROTOCOL) for number, interface in ((0x504D0001, 1), (0x504D8001, 1), (0x504D0002, 3)))
    for number, interface, protocol in (*ours, (0x504D0003, 1, 4)):
        if interface in made.up and draw.flag():
            made.nexthops[number] = (draw.choice((interface, min(made.up), max(made.up) - 1 or 1)), protocol)
    return made


def start(saved: SavedState, of: FakeKernel) -> None:
    """The forwarder starts from it, and what it says and saves then can be said and saved."""
    for memory in saved.memory.values():
        if memory.bfd is not None:
            session = Session.restore(memory.bfd, SessionTimers(50_000_000, 50_000_000, 5), 10**12, lambda: 0.3)
            Memory.from_json(session.remember().to_json())
    world = World(of)
    adopted: list[bool] = []
    world.forwarder.restore(saved)
    world.forwarder.adopt(lambda: adopted.append(True))
    world.clock.run(2)
    assert adopted, "the kernel was never adopted"
    for name in list(world.engine.tunnels)[:2]:
        world.engine.say(name, "down")
    world.clock.run(2)
    encode_line({"snapshot": world.forwarder.snapshot()})
    after = world.forwarder.saved("b2")
    assert decode(encode(after)) == after
    assert len(set(after.ids.values())) == len(after.ids), "two classes on one nexthop"
    assert {each.name for each in after.classes} == {each.name for each in saved.classes}
