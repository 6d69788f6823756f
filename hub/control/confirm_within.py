"""How long somebody may take to confirm a configuration, as it is written."""

from __future__ import annotations

from datetime import timedelta

from hub.config.scalars import UnreadableError, read_duration

SHORTEST, LONGEST = timedelta(seconds=10), timedelta(days=7)
"""A shorter one would be over before `apply` has answered; a longer one would be forgotten."""


def read_confirm_within(text: object) -> timedelta:
    """A length of time in which somebody can confirm.

    Raises:
        UnreadableError: it is none; the text is for people.
    """
    within = read_duration(text)
    if not SHORTEST <= within <= LONGEST:
        raise UnreadableError(f"{text} to confirm: at least 10s, at most 7d")
    return within
