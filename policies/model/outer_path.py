"""The way of a tunnel's outer packets over the internet, as far as its routers tell."""

from __future__ import annotations

from dataclasses import dataclass

from policies.model.clock import Instant


@dataclass(frozen=True, slots=True)
class Trace:
    """A Trace is one look at the way to an address: the router that answered at each distance, None: none did.

    Addresses are texts as `ipaddress` writes them. `reached`: the address itself answered, right after the last hop;
    it is never among the hops.
    """

    to: str
    hops: tuple[str | None, ...]
    reached: bool = False


@dataclass(frozen=True, slots=True)
class OuterPath:
    """An OuterPath is what the last traces by an uplink of the hub say together; `at` is when the newest ended."""

    trace: Trace
    hub_uplink: str
    at: Instant
