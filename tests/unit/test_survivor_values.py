"""The MED of each tunnel, by the rules of policies.survivor, in their order."""

from __future__ import annotations

from dataclasses import replace

import pytest

from policies.model.ids import TunnelId
from policies.survivor import Standing, spokesman, values

FIBER, WIRELESS, LTE = (TunnelId("bandung", name) for name in ("fiber", "wireless", "lte"))


def sound(tunnel: TunnelId, med: int, sent: int | None = None) -> Standing:
    said = med if sent is None else sent
    return Standing(tunnel, med, True, False, True, True, said, said)


def dead(tunnel: TunnelId, med: int, held: int) -> Standing:
    return Standing(tunnel, med, False, True, True, True, held, held)


def returned(tunnel: TunnelId, med: int, held: int | None = None) -> Standing:
    """Live again, its session just up: nothing sent yet."""
    return Standing(tunnel, med, True, False, True, False, None, held)


def just_told(tunnel: TunnelId, med: int, sent: int) -> Standing:
    """Sound, but it may have died since it was told this."""
    return replace(sound(tunnel, med, sent), arrived=False)


fiber, wireless, lte = sound(FIBER, 1000), sound(WIRELESS, 1100), sound(LTE, 1200)


@pytest.mark.parametrize(
    ("case", "standings", "chosen", "expected"),
    [
        ("all is well", [fiber, wireless], FIBER, {FIBER: 1000, WIRELESS: 1100}),
        ("the best dies", [dead(FIBER, 1000, 1000), wireless], WIRELESS, {WIRELESS: 990}),
        (
            "the survivor stays as it is",
            [dead(FIBER, 1000, 1000), sound(WIRELESS, 1100, 990)],
            WIRELESS,
            {WIRELESS: 990},
        ),
        (
            "it beats what was last sent, not what is usual",
            [sound(FIBER, 1000), dead(WIRELESS, 1100, 990)],
            FIBER,
            {FIBER: 980},
        ),
        (
            "two dead, the third beats both",
            [dead(FIBER, 1000, 1000), dead(WIRELESS, 1100, 990), lte],
            LTE,
            {LTE: 980},
        ),
        (
            "back, but on hold: its usual value, which the survivor beats",
            [returned(FIBER, 1000, 1000), sound(WIRELESS, 1100, 990)],
            WIRELESS,
            {FIBER: 1000, WIRELESS: 990},
        ),
        (
            "failback: the boost is given back, one value changes",
            [fiber, sound(WIRELESS, 1100, 990)],
            FIBER,
            {FIBER: 1000, WIRELESS: 1100},
        ),
        (
            "no failback to a tunnel whose set is not sent: it is made better, the boost stays",
            [returned(FIBER, 1000), sound(WIRELESS, 1100, 990)],
            FIBER,
            {FIBER: 980, WIRELESS: 990},
        ),
        (
            "a lesser tunnel on purpose is made better than the best",
            [fiber, wireless],
            WIRELESS,
            {FIBER: 1000, WIRELESS: 990},
        ),
        (
            "the first session of a branch waits for nobody",
            [replace(fiber, session_up=False, sent=None, lowest_held=None, complete=False), returned(WIRELESS, 1100)],
            FIBER,
            {WIRELESS: 1100},
        ),
        (
            "a better value than the chosen one's is not told before the chosen one's is sent",
            [returned(FIBER, 1000), returned(WIRELESS, 1100)],
            WIRELESS,
            {WIRELESS: 990},
        ),
        ("all dead: nothing is announced", [dead(FIBER, 1000, 1000), dead(WIRELESS, 1100, 1100)], FIBER, {}),
        ("one tunnel only", [sound(FIBER, 1000)], FIBER, {FIBER: 1000}),
        (
            "raised again only when all others are sound",
            [sound(FIBER, 1000, 980), returned(WIRELESS, 1100)],
            FIBER,
            {FIBER: 980, WIRELESS: 1100},
        ),
        ("and then it is", [sound(FIBER, 1000, 980), wireless], FIBER, {FIBER: 1000, WIRELESS: 1100}),
        (
            "of a dead tunnel of which nothing is known the branch may hold the usual value",
            [replace(dead(FIBER, 1000, 0), session_up=False, complete=False, sent=None, lowest_held=None), wireless],
            WIRELESS,
            {WIRELESS: 990},
        ),
        (
            "a boost is kept until the one that follows it was sent, or the branch would turn to the dead one",
            [dead(FIBER, 1000, 1000), wireless, sound(LTE, 1200, 980)],
            WIRELESS,
            {WIRELESS: 990, LTE: 980},
        ),
        (
            "two values do not rise at once, or they would meet on the way",
            [sound(WIRELESS, 1100, 1000), sound(FIBER, 1000, 990)],
            FIBER,
            {WIRELESS: 1100, FIBER: 990},
        ),
        (
            "nothing is given back while the chosen one may have died before it was told",
            [dead(FIBER, 1000, 1000), just_told(WIRELESS, 1100, 970), sound(LTE, 1200, 980)],
            WIRELESS,
            {WIRELESS: 970, LTE: 980},
        ),
        (
            "a boost that is about to be given back is not met on the way either",
            [dead(FIBER, 1000, 1000), sound(WIRELESS, 1100), sound(LTE, 1200, 990)],
            WIRELESS,
            {WIRELESS: 980, LTE: 990},
        ),
        (
            "of two boosts that would wait for each other none is given back: the chosen one beats both first",
            [fiber, sound(WIRELESS, 1100, 980), sound(LTE, 1200, 990)],
            FIBER,
            {FIBER: 970, WIRELESS: 980, LTE: 990},
        ),
        (
            "and then both are given back",
            [sound(FIBER, 1000, 970), sound(WIRELESS, 1100, 980), sound(LTE, 1200, 990)],
            FIBER,
            {FIBER: 970, WIRELESS: 1100, LTE: 1200},
        ),
        (
            "the chosen one rises when all that the branch may hold is worse, also from a dead tunnel",
            [sound(FIBER, 1000, 990), dead(WIRELESS, 1100, 1100)],
            FIBER,
            {FIBER: 1000},
        ),
        (
            "so it does while its own set is not known to be complete, or it would follow what it was last sent",
            [replace(sound(FIBER, 1000, 990), complete=False)],
            FIBER,
            {FIBER: 1000},
        ),
    ],
)
def test_values(case: str, standings: list[Standing], chosen: TunnelId, expected: dict[TunnelId, int]) -> None:
    assert values(standings, chosen) == expected, case


def test_the_value_keeps_sinking_below_what_was_sent_until_there_is_no_room() -> None:
    held = 1000
    for _ in range(150):
        told = values([dead(FIBER, 1000, held), wireless], WIRELESS)[WIRELESS]
        assert told < held or held == 0
        held = told
    assert held == 0


unheard = replace(wireless, session_up=False, complete=False, sent=None)


@pytest.mark.parametrize(
    ("case", "standings", "expected"),
    [
        ("the chosen one speaks for itself", [dead(FIBER, 1000, 1000), wireless, lte], WIRELESS),
        (
            "without a session, while another is dead, a live one stands in",
            [dead(FIBER, 1000, 1000), unheard, lte],
            LTE,
        ),
        ("while nothing is dead it is waited for", [fiber, unheard, lte], WIRELESS),
        ("while two others share a value one of them stands in", [fiber, unheard, replace(lte, sent=1000)], FIBER),
        ("nobody else can be told", [dead(FIBER, 1000, 1000), unheard], WIRELESS),
        (
            "one of which nothing is known does not stand in",
            [dead(FIBER, 1, 1), unheard, replace(lte, alive=False)],
            WIRELESS,
        ),
    ],
)
def test_spokesman(case: str, standings: list[Standing], expected: TunnelId) -> None:
    assert spokesman(standings, WIRELESS) == expected, case
