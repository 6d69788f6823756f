"""The numbers that are ours in the kernel: a pair of nexthops for each class, a table for each source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from hub.forwarder import fib_plan, fib_sources
from hub.forwarder.classes import ForwardingClass
from hub.forwarder.fib_plan import KernelState, Tables
from hub.forwarder.fib_reading import Reading
from hub.forwarder.netlink.rules import Rule

_ALL_TABLES = range(fib_sources.FIRST_TABLE, fib_sources.LAST_TABLE + 1)


class Numbers:
    """A Numbers remembers whose each number is, and gives out none that somebody else uses, or that is not empty yet.

    `without` are the sources for which no table is left.
    """

    def __init__(self) -> None:
        self.ids: dict[str, int] = {}
        self.tables: dict[str, int] = {}
        self.without: tuple[str, ...] = ()
        self._foreign_ids: set[int] = set()
        self._taken: set[int] = set()
        self._used: set[int] | None = None
        self._in_kernel: Mapping[str, int] = {}

    def remember(
        self, classes: Mapping[str, ForwardingClass], ids: Mapping[str, int], tables: Mapping[str, int]
    ) -> None:
        """Believe a state file, as far as it can be true: a number that two have is neither's."""
        first, last = fib_plan.FIRST_NEXTHOP_ID, fib_plan.LAST_NEXTHOP_ID
        self.ids = {name: pair for name, pair in _alone(ids).items() if name in classes and first <= pair <= last}
        self.tables = {source: table for source, table in _alone(tables).items() if table in _ALL_TABLES}

    def assign(self, classes: Mapping[str, ForwardingClass], have: KernelState) -> None:
        """Give each class and each source its numbers, and take back those of others.

        Raises:
            LookupError: every nexthop id of our range is in use.
        """
        sources = [source for each in classes.values() for source in each.sources]
        if self._used is not None:  # before it is known what the kernel has, no table is known to be empty
            known = {**self._in_kernel, **self.tables}
            self.tables = fib_sources.assigned(sources, known, self._taken | self._used)
            self._used |= set(self.tables.values())
            self.without = tuple(dict.fromkeys(source for source in sources if source not in self.tables))
        self.ids = {name: number for name, number in self.ids.items() if name in classes}
        for name, each in classes.items():
            if name not in self.ids:
                used = self.ids.values()
                self.ids[name] = fib_plan.free_id(each.prefixes, used, have, self._foreign_ids, self.tables_of(each))

    def tables_to_read(self) -> Iterable[int]:
        """All of our range for the first time; then those that may hold something of ours."""
        return _ALL_TABLES if self._used is None else self._used

    def found(self, reading: Reading) -> None:
        """This is in the kernel: where it says whose a table is, or that a number is somebody else's, it is right."""
        self._foreign_ids, self._taken, self._used = reading.foreign_ids, reading.foreign_tables, set(reading.tables)
        self._in_kernel = fib_sources.tables_in(reading.ours.rules)
        others = self._taken | set(self._in_kernel.values())
        self.tables = {source: table for source, table in self.tables.items() if table not in others}
        self.tables |= self._in_kernel
        taken = {fib_plan.pair_of(number) for number in self._foreign_ids}
        self.ids = {name: number for name, number in self.ids.items() if number not in taken}

    def tables_of(self, each: ForwardingClass) -> Tables:
        """The tables that the routes of a class are in; None for the main table."""
        return fib_sources.tables_of(each, self.tables)

    def rules_of(self, each: ForwardingClass) -> frozenset[Rule] | None:
        """The rules of a class; None while one of its sources has no table."""
        if any(source not in self.tables for source in each.sources):
            return None
        return fib_sources.rules_of(each, self.tables)


def _alone(numbers: Mapping[str, int]) -> dict[str, int]:
    times = Counter(numbers.values())
    return {name: number for name, number in numbers.items() if times[number] == 1}
