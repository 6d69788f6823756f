"""How long a policy script may take, and how much it may have."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """A Limits holds a script. Times are in seconds.

    `answer` and `load` are processor time, for one question and for starting and loading: a machine that is busy with
    other things is no fault of the script. By the wall clock it may take `patience` times as long. Between two
    questions there is a `pause`. A worker that had to be ended is started again after `first_wait`, then twice as long
    each time, up to `longest_wait`. Files are looked at every `look`. `memory` is in bytes, `branches` the most in one
    question.
    """

    answer: float = 0.2
    load: float = 2.0
    patience: float = 10.0
    pause: float = 0.5
    first_wait: float = 1.0
    longest_wait: float = 60.0
    look: float = 2.0
    memory: int = 256 << 20
    branches: int = 250
    printed_lines_a_minute: int = 20


LIMITS = Limits()
