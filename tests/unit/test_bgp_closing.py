"""Why a session was closed or does not come up: the numbers of a NOTIFICATION in words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.bgp.closing import CODES, SUBCODES, worded

HUB, WRITTEN = 65000, 65001


def told(reason: str, said: int | None = None) -> str:
    return worded(reason, said=said, written=WRITTEN, hub=HUB)


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        ("sent (4,0)", "the hub closed it: hold timer expired (4,0)"),
        ("received (4,0)", "the branch closed it: hold timer expired (4,0)"),
        ("sent (6,3)", "the hub closed it: peer de-configured (6,3)"),
        ("sent (6,4)", "the hub closed it: administrative reset (6,4)"),
        ("received (6,2)", "the branch closed it: administrative shutdown (6,2)"),
        ("received (6,6)", "the branch closed it: other configuration change (6,6)"),
        ("received (6,10)", "the branch closed it: BFD down (6,10)"),
        ("sent (3,11)", "the hub closed it: malformed AS_PATH (3,11)"),
        ("sent (5,1)", "the hub closed it: unexpected message in OpenSent (5,1)"),
        ("sent (2,3)", "the hub refuses the branch's OPEN: bad BGP identifier (router ID) (2,3)"),
        ("sent (2,6)", "the hub refuses the branch's OPEN: unacceptable hold time (2,6)"),
        ("received (2,7)", "the branch refuses the hub's OPEN: unsupported capability (2,7)"),
    ],
)
def test_who_closed_it_or_refuses_and_why(reason: str, text: str) -> None:
    assert told(f"notification {reason}") == text


@pytest.mark.parametrize(
    ("reason", "said", "text"),
    [
        ("sent", 65009, "the hub refuses the branch's OPEN: it says AS 65009, written is 65001"),
        ("sent", None, "the hub refuses the branch's OPEN: it says another AS than 65001, which is written"),
        ("sent", WRITTEN, "the hub refuses the branch's OPEN: it says another AS than 65001, which is written"),
        (
            "received",
            WRITTEN,
            "the branch refuses the hub's OPEN: the hub says AS 65000, the branch's router expects another",
        ),
    ],
)
def test_of_a_wrong_as_both_are_named(reason: str, said: int | None, text: str) -> None:
    assert told(f"notification {reason} (2,2)", said) == f"{text} (2,2)"


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        ("received (6,0)", "the branch closed it: cease (6,0)"),
        ("received (6,77)", "the branch closed it: cease (6,77)"),
        ("sent (3,99)", "the hub closed it: UPDATE message error (3,99)"),
        ("received (99,1)", "the branch closed it: NOTIFICATION (99,1)"),
        ("sent (2,0)", "the hub refuses the branch's OPEN (2,0)"),
        ("received (2,99)", "the branch refuses the hub's OPEN (2,99)"),
    ],
)
def test_numbers_without_words_stay_numbers(reason: str, text: str) -> None:
    assert told(f"notification {reason}") == text


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        ('(6,2): Shutdown Communication: "splice"', 'the branch closed it: administrative shutdown: "splice" (6,2)'),
        ("(6,4): bye", "the branch closed it: administrative reset: bye (6,4)"),
        ("(6,1): ????", "the branch closed it: maximum number of prefixes reached (6,1)"),
        (
            "(2,2): ??",
            "the branch refuses the hub's OPEN: the hub says AS 65000, the branch's router expects another (2,2)",
        ),
    ],
)
def test_what_the_branch_says_to_people_is_shown_and_other_data_is_not(reason: str, text: str) -> None:
    assert told(f"notification received {reason}") == text


@pytest.mark.parametrize(
    "reason",
    [
        "",
        "closing connection",
        "configured anew",
        "stop, message [removed]",
        "notification received",
        "notification sent (2;2)",
        "notification sent (2,2) twice",
        "notification sent (-2,2)",
        "notification sent (\u0662,\u0662)",
    ],
)
def test_a_reason_of_another_shape_is_left_as_it_is(reason: str) -> None:
    assert told(reason, 65009) == reason


@given(st.text() | st.from_regex(r"notification (sent|received) \([0-9]{1,4},[0-9]{1,4}\)(: .*)?", fullmatch=True))
def test_any_reason_has_words_that_are_hardly_longer(reason: str) -> None:
    assert len(told(reason, 4_294_967_295)) <= len(reason) + 100


def test_every_subcode_with_words_has_a_code_with_words() -> None:
    assert {code for code, _ in SUBCODES} <= CODES.keys()
