"""Policies as they are written: pydantic models, from which JSON Schema and the reference page are made too.

Every key may be left out: what is not written is as the policy says that this one extends.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Discriminator, Field, Strict, Tag

from hub.config.fields import (
    Duration,
    Med,
    Name,
    OneOrMore,
    Prefix,
    Section,
    Text,
    Truth,
    choice,
    enum,
    reads,
    written_like,
)
from hub.config.names import KINDS
from hub.config.policy import communities, limits, windows
from hub.config.scalars import SCRIPT, UnreadableError, read_choice, read_script, shown
from policies.model.health import Limit
from policies.model.policy import TimeWindow

DEFAULT_KIND = "default"
LOST, OFF = "lost", "off"
HEALTH_WORDS = ("up", "degraded", "unknown", "down")
MODES = ("automatic", "window", "manual", "never")

LossLimit = Annotated[
    Limit, reads(limits.read_loss), written_like(limits.LOSS, about="a share of the probes", example="3% over 5s")
]
RttLimit = Annotated[
    Limit,
    reads(limits.read_rtt),
    written_like(limits.RTT, about="a round trip, absolute or above what is usual", example="usual + 80ms over 5s"),
]
JitterLimit = Annotated[
    Limit, reads(limits.read_jitter), written_like(limits.JITTER, about="a variation", example="30ms over 10s")
]
FullSize = Annotated[
    str,
    reads(lambda value: OFF if value is False else read_choice(value, (LOST, OFF))),  # YAML 1.1 reads off as false
    enum(LOST, OFF),
]
Window = Annotated[
    TimeWindow,
    reads(windows.read_window),
    written_like(windows.WINDOW, about="a time of the week", example="Mon-Fri 18:00-22:00"),
]
Windows = Annotated[tuple[Window, ...], Field(min_length=1), OneOrMore()]
Community = Annotated[
    tuple[int, int],
    reads(communities.read_community),
    written_like(communities.COMMUNITY, about="a community", example="65000:100"),
]
LargeCommunity = Annotated[
    tuple[int, int, int],
    reads(communities.read_large_community),
    written_like(communities.LARGE_COMMUNITY, about="a large community", example="65000:1:200"),
]
Names = Annotated[tuple[Name, ...], Field(min_length=1), OneOrMore()]
Prefixes = Annotated[tuple[Prefix, ...], Field(min_length=1), OneOrMore()]
UplinkKind = Annotated[str, choice(*KINDS), enum(*KINDS)]
UplinkKinds = Annotated[tuple[UplinkKind, ...], Field(min_length=1), OneOrMore()]
HealthKind = Annotated[str, choice(DEFAULT_KIND, *KINDS), enum(DEFAULT_KIND, *KINDS)]
HealthWord = Annotated[str, choice(*HEALTH_WORDS), enum(*HEALTH_WORDS)]
HealthWords = Annotated[tuple[HealthWord, ...], Field(min_length=1), OneOrMore()]
Metered = Annotated[
    str, choice("last-resort", "when-degraded", "allowed"), enum("last-resort", "when-degraded", "allowed")
]
FailbackMode = Annotated[str, choice(*MODES), enum(*MODES)]
Ignorable = Annotated[str, choice("degraded"), enum("degraded")]
Ignored = Annotated[tuple[Ignorable, ...], Field(min_length=1), OneOrMore()]
Penalty = Annotated[float, Strict(), Field(ge=0.1, le=100)]
Script = Annotated[str, reads(read_script), written_like(SCRIPT, about="a Python file", example="even_out.py")]


def told(meaning: str, example: object) -> Any:
    """A key that may be left out; what it means and a value that it may have are for the reference and for editors."""
    return Field(default=None, description=meaning, examples=[example])


class RawLimits(Section):
    """Limits of what is measured of a tunnel by probes."""

    NEVER: ClassVar = {
        "full-size": ("full-size stands below degraded-when-any alone: what passes again is healthy", "move it there")
    }

    loss: Annotated[tuple[LossLimit, ...], OneOrMore(off=True)] | None = told(
        "the share of the probes that are lost, in the mean over the window", ["3% over 5s", "15% over 1s"]
    )
    rtt: Annotated[tuple[RttLimit, ...], OneOrMore(off=True)] | None = told(
        "the round trip, the median over the window; absolute, or above what is usual on this tunnel",
        "usual + 80ms over 5s",
    )
    jitter: Annotated[tuple[JitterLimit, ...], OneOrMore(off=True)] | None = told(
        "by how much one round trip differs from the next, the median over the window", "30ms over 10s"
    )


class RawLeaving(RawLimits):
    """By what a tunnel becomes degraded: limits of what is measured, and what the probes do not show."""

    NEVER: ClassVar = {}

    full_size: FullSize | None = told(
        "whether a tunnel that full-size packets do not pass is degraded: `lost`: it is; `off`, the default: it is "
        "not, but that is a problem in `status` and `why` all the same. Of `degraded-when-any` alone",
        "lost",
    )


class RawHealth(Section):
    """When a tunnel is degraded, and when it is healthy again."""

    degraded_when_any: RawLeaving | None = told(
        "a tunnel becomes degraded when one of these is passed", {"loss": "5% over 10s"}
    )
    healthy_when_all: RawLimits | None = told(
        "a degraded tunnel is up again when all of these are kept; "
        "a limit that is not written is half the least one of leaving, over its longest window, but at least 60s",
        {"loss": "1% over 60s"},
    )


def _off_or_time(value: object) -> str:
    return OFF if value == OFF or value is False else "time"


DurationOrOff = Annotated[
    Annotated[Annotated[str, reads(lambda _: OFF), enum(OFF)], Tag(OFF)] | Annotated[Duration, Tag("time")],
    Discriminator(_off_or_time),
]


class RawFailback(Section):
    """When traffic goes back to a better tunnel."""

    mode: FailbackMode | None = told(
        "`automatic`: once the hold is met; `window`: once the hold is met inside a window; "
        "`manual`: it waits for `pointsman failback`; `never`: it stays until the present tunnel gets worse",
        "manual",
    )
    hold: Duration | None = told("how long the better tunnel must have been well, at most `1d`", "60s")
    windows: Windows | None = told(
        "the times of the mode `window`, by the wall clock of the branch",
        ["Mon-Fri 18:00-22:00", "Sat,Sun 00:00-24:00"],
    )
    remind_after: DurationOrOff | None = told(
        "how long a branch may stay on a lesser tunnel while a better one is well and has met its hold, before that is "
        "a fault (`1m` to `30d`); or `off`",
        "4h",
    )


class RawDamping(Section):
    """How a tunnel that comes and goes is held back."""

    half_life: Duration | None = told("after this time a penalty counts half", "5m")
    suppress: Penalty | None = told(
        "each time that a tunnel dies or becomes degraded counts 1; from this sum on it is not returned to",
        3,
    )
    reuse: Penalty | None = told("below this sum it is returned to again", 1)
    max_suppress: Duration | None = told("it is never held back for longer than this", "30m")


_BY_STATE = ("what goes with an announcement is said by state", "write it under up, degraded or drained")


class RawMarks(Section):
    """What is added to the announcements over a tunnel in one state."""

    communities: tuple[Community, ...] | None = told(
        "communities, in quotes, or `graceful-shutdown`, `no-export`, `no-advertise`, `no-peer`", ["65000:100"]
    )
    large_communities: tuple[LargeCommunity, ...] | None = told("large communities, in quotes", ["65000:1:200"])
    withdraw: Truth | None = told(
        "`true`: nothing is announced over it while the branch has another usable tunnel", example=True
    )


_OF_ALL = (
    "first and step put all tunnels of a branch in order, and more-specifics is for its router: none is a tunnel's own",
    "write it under announce of the branch, or of its policy",
)


class RawTunnelAnnounce(Section):
    """What the state of a tunnel adds to the announcements over it."""

    NEVER: ClassVar = dict.fromkeys(("communities", "community", "withdraw"), _BY_STATE) | dict.fromkeys(
        ("first", "step", "more-specifics"), _OF_ALL
    )

    add_degraded: Med | None = told("added on a degraded tunnel, at least `step`", 4000)
    add_drained: Med | None = told(
        "added on a drained tunnel, at least `add-degraded`; the larger addition counts, not the sum", 8000
    )
    up: RawMarks | None = told(
        "what goes with the announcements over a tunnel that is up", {"communities": ["65000:1"]}
    )
    degraded: RawMarks | None = told("the same while it is degraded", {"communities": ["65000:2"]})
    drained: RawMarks | None = told("the same while it is drained", {"withdraw": True})


class RawAnnounce(RawTunnelAnnounce):
    """The arithmetic of MED, and what else goes with the announcements."""

    NEVER: ClassVar = dict.fromkeys(("communities", "community", "withdraw"), _BY_STATE)

    first: Med | None = told("MED on the best tunnel, 100 to 1000000; failover announces below it", 1000)
    step: Med | None = told("added for each tunnel after the best, at least 1", 100)
    more_specifics: Truth | None = told(
        "`true`: the preferred tunnel also announces both halves of each prefix, "
        "for branches whose routers cannot compare MED",
        example=True,
    )


class RawWhen(Section):
    """When a rule holds: all that is asked must be so. Of the tunnels of the branch one must be all that is asked."""

    branch: Names | None = told("the branch is one of these", ["bandung"])
    tunnel: Names | None = told("a tunnel has one of these names", "fiber")
    uplink: Names | None = told("it goes over an uplink of the branch with one of these names", "fiber")
    kind: UplinkKinds | None = told("its uplink is of one of these kinds", ["lte", "5g"])
    isp: Names | None = told("its uplink, or that of the hub, is with one of these ISPs", "indosat")
    hub_uplink: Names | None = told("it ends at one of these uplinks of the hub", "telkom")
    health: HealthWords | None = told(
        "it is in one of these states: `up`, `degraded`, `unknown`; or `down`", "degraded"
    )
    drained: Truth | None = told("it is drained, or is not", example=True)
    time: Windows | None = told("the branch's wall clock is inside one of these", "22:00-05:00")
    hub_prefix: Prefixes | None = told(
        "the traffic is with these prefixes of the hub; the rule is for this traffic alone, in both directions",
        "10.0.10.0/24",
    )
    branch_prefix: Prefixes | None = told(
        "the branch's own prefixes are among these, all of them: its router cannot steer by its own addresses",
        "10.1.0.0/24",
    )


class RawSet(Section):
    """What a rule sets in place of what the policy says."""

    prefer: tuple[Name, ...] | None = told("this order, whole, in place of the policy's", ["wireless", "fiber"])
    metered: Metered | None = told("when metered tunnels may carry the traffic", "allowed")
    ignore: Ignored | None = told("`degraded`: a degraded tunnel counts as one that is up", ["degraded"])
    failback: RawFailback | None = told("when traffic goes back, key by key", {"mode": "manual"})


class RawRule(Section):
    """One rule."""

    name: Text = Field(
        description="what it is called by `why` and `plan`; every rule of a policy has its own",
        examples=["night copies use the cheap line"],
    )
    when: RawWhen | None = told("when it holds; without it, always", {"time": "22:00-05:00"})
    set: RawSet = Field(
        description="what it sets; liveness, drains and the guards stand above it", examples=[{"metered": "allowed"}]
    )


def _form(value: object) -> str:
    return "map" if isinstance(value, dict | RawDamping) else "off"


def _off(value: object) -> str:
    if value in ("off", False):
        return "off"
    mend = "write {half-life: 5m, suppress: 3, reuse: 1, max-suppress: 30m}, or off"
    raise UnreadableError(f"{shown(value)} is neither a map nor off", mend)


DampingOrOff = Annotated[
    Annotated[Annotated[str, reads(_off), enum("off")], Tag("off")] | Annotated[RawDamping, Tag("map")],
    Discriminator(_form),
]


class PolicyKeys(Section):
    """What a policy says, and what a branch may say for itself."""

    prefer: tuple[Name, ...] | None = told(
        "names of tunnels or kinds of uplinks, the best first. A tunnel takes the first entry that is its name, "
        "or else its kind. `cheapest`, as the last one, has all others by the `cost` of their uplinks, those without "
        "one after them. Without it the unlisted come after, by name",
        ["fiber", "wireless", "lte", "satellite"],
    )
    metered: Metered | None = told(
        "when metered tunnels carry traffic: `last-resort` (only when all others are down), "
        "`when-degraded` (also when all others are degraded), `allowed`",
        "when-degraded",
    )
    failback: RawFailback | None = told(
        "when traffic goes back to a better tunnel", {"mode": "automatic", "hold": "5m"}
    )
    announce: RawAnnounce | None = told("what the branches are told", {"first": 1000, "step": 100})
    health: dict[HealthKind, RawHealth] | None = told(
        "when a tunnel is degraded, by the kind of its uplink; `default` is for the kinds that are not written",
        {"satellite": {"degraded-when-any": {"loss": "8% over 10s", "rtt": "900ms over 30s"}}},
    )
    damping: DampingOrOff | None = told("how a tunnel that comes and goes is held back; or `off`", "off")
    rules: tuple[RawRule, ...] | None = told(
        "exceptions; for each prefix the first one that matches counts",
        [{"name": "nights", "when": {"time": "22:00-05:00"}, "set": {"metered": "allowed"}}],
    )
    script: Script | None = told(
        "a Python file in `policies/`, whose function has the next word after rules", "even_out.py"
    )


class RawPolicy(PolicyKeys):
    """policies/NAME.yaml: what differs from the policy that it extends."""

    NOT_YET = frozenset({"guards", "budget"})

    extends: Name | None = told("the policy that this one changes; without it, `standard`", "standard")


POLICY_SECTIONS: dict[tuple[str, ...], type[Section]] = {
    ("failback",): RawFailback,
    ("announce",): RawAnnounce,
    **{("announce", state): RawMarks for state in ("up", "degraded", "drained")},
    ("health", "*"): RawHealth,
    ("health", "*", "degraded-when-any"): RawLeaving,
    ("health", "*", "healthy-when-all"): RawLimits,
    ("damping",): RawDamping,
    ("rules", "*"): RawRule,
    ("rules", "*", "when"): RawWhen,
    ("rules", "*", "set"): RawSet,
    ("rules", "*", "set", "failback"): RawFailback,
}
"""Which section is where below a policy or a branch; `*` is any name or place in a list."""

POLICY_KEYS = tuple(field.alias or name for name, field in PolicyKeys.model_fields.items())
"""The keys by which a branch may change its policy."""
