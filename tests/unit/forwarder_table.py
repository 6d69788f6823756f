"""Our part of the forwarding table with a pretended kernel and clock."""

from __future__ import annotations

from forwarder_fakes import FakeClock, FakeKernel, an_order

from hub.forwarder.classes import ForwardingClass, obey
from hub.forwarder.fib import Fib
from hub.forwarder.fib_plan import FIRST_NEXTHOP_ID
from hub.forwarder.problems import Problem

NET = b"\x0a\x01\x00\x00"
ID = FIRST_NEXTHOP_ID
INTERFACES = {"bandung/fiber": 1, "bandung/wireless": 2, "bogor/fiber": 3}


def a_class(name: str = "bandung", active: str = "bandung/fiber", prefixes: int = 1, first: int = 1) -> ForwardingClass:
    networks = tuple(f"10.{first + number // 256}.{number % 256}.0/24" for number in range(prefixes))
    order = an_order(name, networks, tuple(INTERFACES), active)
    result = obey(order, None, {}, 0)
    assert isinstance(result, ForwardingClass)
    return result


class Table:
    """A Fib with its kernel and clock."""

    def __init__(self, kernel: FakeKernel | None = None) -> None:
        self.kernel, self.clock = kernel or FakeKernel(), FakeClock()
        self.problems: dict[str, Problem] = {}
        self.settled = 0
        self.adopted = 0
        self.fib = Fib(self.clock, self.kernel, self.kernel, self._settled, self._problems)

    def _settled(self) -> None:
        self.settled += 1

    def _problems(self, group: str, problems: dict[str, Problem]) -> None:
        assert group == "fib:"
        self.problems = problems

    def adopt(self) -> None:
        def adopted() -> None:
            self.adopted += 1

        self.fib.adopt(adopted)
        self.clock.run()

    def want(self, *classes: ForwardingClass, sweep: bool = True, run: bool = True) -> None:
        by_name = {each.name: each for each in classes}
        unreachable = tuple(prefix for each in classes for prefix in each.prefixes)
        self.fib.want(by_name, lambda tunnel: INTERFACES.get(tunnel, 0), unreachable, sweep=sweep)
        if run:
            self.clock.run()
