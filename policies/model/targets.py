"""Targets: what is asked beyond the tunnels, and what it answered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import NamedTuple

from policies.model.clock import NEVER, Instant
from policies.model.ids import Address, TunnelId


@dataclass(frozen=True, slots=True)
class Ping:
    """A Ping is an ICMP echo request, answered by an echo reply."""

    address: Address

    def __str__(self) -> str:
        return str(self.address)


@dataclass(frozen=True, slots=True)
class TcpConnect:
    """A TcpConnect is a TCP connection that is accepted, and closed again."""

    address: Address
    port: int

    def __str__(self) -> str:
        return socket_address(self.address, self.port)


@dataclass(frozen=True, slots=True)
class HttpGet:
    """An HttpGet is a GET of `path`, answered with the status `expect`."""

    address: Address
    port: int
    path: str
    expect: int

    def __str__(self) -> str:
        return f"http://{socket_address(self.address, self.port)}{self.path}"


@dataclass(frozen=True, slots=True)
class DnsQuery:
    """A DnsQuery is a question for the addresses of `name`, answered without an error by the server."""

    server: Address
    name: str

    def __str__(self) -> str:
        return f"{self.name} at {self.server}"


@dataclass(frozen=True, slots=True)
class Run:
    """A Run is a program of the operator's own. A relative `file` is looked for in the configuration directory.

    `python`: the file is no program, but has a function `check`.
    """

    file: str
    arguments: tuple[str, ...] = ()
    python: bool = False

    def __str__(self) -> str:
        return " ".join((self.file, *self.arguments))


Question = Ping | TcpConnect | HttpGet | DnsQuery | Run


def socket_address(address: Address, port: int) -> str:
    """`10.1.0.10:443`, `[2001:db8::1]:443`."""
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"


class Via(Enum):
    """By which way a branch's target is asked: through every tunnel separately, or as the kernel routes."""

    EACH = "each"
    ACTIVE = "active"


@dataclass(frozen=True, slots=True)
class Timing:
    """A Timing is how often a target is asked, how long it may take, and how many answers alike change its standing.

    After `fall` failures in a row it fails, after `rise` answers in a row it is fine again.
    """

    interval: timedelta = timedelta(seconds=10)
    timeout: timedelta = timedelta(seconds=2)
    fall: int = 3
    rise: int = 2


@dataclass(frozen=True, slots=True)
class Check:
    """A Check is one thing that is asked regularly: a target behind a branch, an external one, or a custom check."""

    name: str
    question: Question
    timing: Timing = Timing()
    via: Via = Via.EACH


class CheckKey(NamedTuple):
    """A CheckKey is a check by one way.

    `place` is a branch (`bandung`) or an uplink of the hub (`hub:hq/telkom`), `tunnel` is the name of the branch's
    tunnel, or "" where the kernel or the uplink decides. A tuple, as thousands are looked up every second.
    """

    place: str
    check: str
    tunnel: str = ""

    @property
    def tunnel_id(self) -> TunnelId | None:
        """The tunnel that is asked through, None where it is none in particular."""
        return TunnelId(self.place, self.tunnel) if self.tunnel else None


class Outcome(Enum):
    """How one asking ended. `UNKNOWN`: it could not be asked, or nothing sensible came of it."""

    ANSWERED = "answered"
    FAILED = "failed"
    UNKNOWN = "unknown"


class TargetStanding(Enum):
    """What a series of outcomes amounts to. `UNKNOWN` is neither fine nor failing."""

    OK = "ok"
    FAILING = "failing"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """A CheckResult is one outcome, at the instant at which it was known; `round_trip` in seconds where it answered.

    `text` says why it failed or is unknown, or what a custom check wrote; `mend` what helps where it cannot be asked.
    """

    key: CheckKey
    outcome: Outcome
    at: Instant
    timing: Timing
    round_trip: float | None = None
    text: str = ""
    mend: str = ""


@dataclass(frozen=True, slots=True)
class CheckView:
    """A CheckView is what is believed of a check by one way.

    `run` counts the `last` outcomes that were alike. `answered_at` and `failed_at` are the newest of their kind.
    `round_trip` in seconds is that of the newest answer.
    """

    standing: TargetStanding = TargetStanding.UNKNOWN
    since: Instant = NEVER
    last: Outcome = Outcome.UNKNOWN
    run: int = 0
    at: Instant = NEVER
    answered_at: Instant = NEVER
    failed_at: Instant = NEVER
    round_trip: float | None = None
    text: str = "not asked yet"
    mend: str = ""
    timing: Timing = Timing()


NOT_ASKED = CheckView()


class Blame(Enum):
    """What is wrong, by the pattern of what fails and what does not."""

    TARGET = "target"
    TUNNEL = "tunnel"
    ISP = "isp"
    HUB_UPLINK = "hub uplink"
    HUB = "hub"
    CHECK = "check"
