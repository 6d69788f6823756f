"""Tests of policies as they are written, `policies/tests/NAME.yaml`: pydantic models."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from pydantic import ConfigDict, Field

from hub.config.fields import Name, Number, OneOrMore, Section, Text, Truth, choice, reads
from hub.config.scalars import UnreadableError, read_duration, read_text
from policies.model.policy import DAYS
from policies.simulation.track import CAUSES

LONGEST = timedelta(days=366)
LONGEST_FIGURE = timedelta(seconds=10)
MOST_STEPS = 10_000


def _read_start(value: object) -> timedelta:
    """`Mon 09:00`: how long after the week's beginning."""
    text = read_text(value)
    match = re.fullmatch(r"([A-Z][a-z]{2}) ([0-9]{1,2}):([0-9]{2})", text)
    if match is None or match[1] not in DAYS or int(match[2]) > 23 or int(match[3]) > 59:
        raise UnreadableError(
            f'"{text[:60]}" is no time of the week', 'write a day and a time, for example "Mon 09:00"'
        )
    return timedelta(days=DAYS.index(match[1]), hours=int(match[2]), minutes=int(match[3]))


def _read_at(value: object) -> float:
    if value == 0 and not isinstance(value, bool):
        return 0.0
    length = read_duration(value)
    if length > LONGEST:
        raise UnreadableError(f"a test lasts {LONGEST.days} days at most")
    return length.total_seconds()


def _read_loss(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise UnreadableError(
            f"{value} has no unit: loss is a share", f"write {value if value >= 1 else value * 100:g}%"
        )
    text = read_text(value)
    match = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,6})?) ?%", text)
    if match is None or float(match[1]) > 100:
        raise UnreadableError(f'"{text[:60]}" is no share from 0% to 100%', "write it like 6%")
    return float(match[1]) / 100


def _read_figure(value: object) -> float:
    length = read_duration(value, meant="ms")
    if length > LONGEST_FIGURE:
        raise UnreadableError(
            f"at most {LONGEST_FIGURE.seconds}s", "a tunnel that answers later is down: write down: true"
        )
    return length.total_seconds()


def _read_true(value: object) -> bool:
    if value is True:
        return True
    raise UnreadableError("only true can stand here", "write true, or take it away")


At = Annotated[float, reads(_read_at)]
Start = Annotated[timedelta, reads(_read_start)]
Loss = Annotated[float, reads(_read_loss)]
Figure = Annotated[float, reads(_read_figure)]
Said = Annotated[Truth, reads(_read_true)]
Cause = Annotated[str, choice(*CAUSES)]
Targets = Annotated[tuple[Text, ...], Field(min_length=1), OneOrMore()]
Names = Annotated[tuple[Name, ...], Field(min_length=1), OneOrMore()]
Count = Annotated[Number, Field(ge=0)]


class RawFigures(Section):
    """What a tunnel is like from now on; what is not written stays as it was."""

    loss: Loss | None = None
    rtt: Figure | None = None
    jitter: Figure | None = None
    down: Said | None = None
    up: Said | None = None


class RawGiven(Section):
    """What happens at a time. Every other key is the name of a tunnel, with RawFigures."""

    model_config = ConfigDict(extra="allow")

    at: At
    drain: Targets | None = None
    undrain: Targets | None = None
    switch: Text | None = None
    unswitch: Said | None = None
    freeze: Said | None = None
    unfreeze: Said | None = None
    failback: Said | None = None


class RawExpected(Section):
    """One expectation: the first key says of which kind."""

    at: At | None = None
    by: At | None = None
    active: Name | None = None
    because: Cause | None = None
    moves: Count | None = None
    moves_at_most: Count | None = None
    never: Names | None = None
    off_preferred_at_most: At | None = None


class RawPolicyTest(Section):
    """policies/tests/NAME.yaml: what happens to a branch, and what is expected of its policy."""

    policy: Name | None = None
    branch: Name
    start: Start = timedelta(hours=9)
    for_: At | None = Field(default=None, alias="for")
    given: Annotated[tuple[RawGiven, ...], Field(max_length=MOST_STEPS)] = ()
    expect: Annotated[tuple[RawExpected, ...], Field(min_length=1)]


TEST_SECTIONS: dict[tuple[str, ...], type[Section]] = {
    (): RawPolicyTest,
    ("given", "*"): RawGiven,
    ("expect", "*"): RawExpected,
}
KINDS = ("at", "by", "moves", "moves-at-most", "never", "off-preferred-at-most")
"""The keys of which an expectation has one."""
