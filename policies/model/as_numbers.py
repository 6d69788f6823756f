"""Which network of the internet an address is of, by a table that the operator gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address

from policies.model.ids import Prefix

_Length = tuple[int, int]
"""IP version and prefix length."""
_BITS = {4: 32, 6: 128}


@dataclass(frozen=True, slots=True)
class AsNumbers:
    """An AsNumbers finds the AS number (RFC 4271) of an address: the longest prefix of its table counts.

    It is what its `digest` says, that of the text it was made of; "" where there is no table, and nothing is known.
    """

    digest: str = ""
    entries: int = 0
    _tables: Mapping[_Length, Mapping[int, int]] = field(default_factory=dict, repr=False, compare=False)
    _names: Mapping[int, str] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, prefixes: Iterable[tuple[Prefix, int]], names: Mapping[int, str], digest: str) -> AsNumbers:
        """A table of prefixes, each with its AS number, and of the names of AS numbers."""
        tables: dict[_Length, dict[int, int]] = {}
        for prefix, number in prefixes:
            found = tables.setdefault((prefix.version, prefix.prefixlen), {})
            found[_front(int(prefix.network_address), prefix.version, prefix.prefixlen)] = number
        longest_first = dict(sorted(tables.items(), reverse=True))
        return cls(digest, sum(map(len, tables.values())), longest_first, dict(names))

    def of_address(self, text: str) -> int | None:
        """The AS number of an address, None where the table has none.

        Raises:
            ValueError: it is no address.
        """
        if not self._tables:
            return None
        address = ip_address(text)
        version, number = address.version, int(address)
        for (of, length), table in self._tables.items():
            if of == version and (found := table.get(_front(number, version, length))) is not None:
                return found
        return None

    def words(self, number: int) -> str:
        """`AS7713 (Telkom Indonesia)`; the name where the table has one."""
        name = self._names.get(number)
        return f"AS{number} ({name})" if name else f"AS{number}"


def _front(address: int, version: int, length: int) -> int:
    return address >> (_BITS[version] - length)


NO_AS_NUMBERS = AsNumbers()


@dataclass(frozen=True, slots=True)
class SharedFateSigns:
    """A SharedFateSigns is what is looked for beyond addresses and deaths: by `paths`, traces are made of the way."""

    paths: bool = True
    as_numbers: AsNumbers = NO_AS_NUMBERS


USUAL_SIGNS = SharedFateSigns()
