"""The state machine of RFC 5880 section 6.8.6 as a table, and what a change of state is called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from speaker.bfd.packet import Diagnostic, State

_SIGNALED = Diagnostic.NEIGHBOR_SIGNALED_DOWN

TRANSITIONS: Mapping[tuple[State, State], tuple[State, Diagnostic]] = MappingProxyType(
    {
        (State.DOWN, State.DOWN): (State.INIT, Diagnostic.NONE),
        (State.DOWN, State.INIT): (State.UP, Diagnostic.NONE),
        (State.INIT, State.ADMIN_DOWN): (State.DOWN, _SIGNALED),
        (State.INIT, State.INIT): (State.UP, Diagnostic.NONE),
        (State.INIT, State.UP): (State.UP, Diagnostic.NONE),
        (State.UP, State.ADMIN_DOWN): (State.DOWN, _SIGNALED),
        (State.UP, State.DOWN): (State.DOWN, _SIGNALED),
    }
)
"""(our state, state received) to (new state, diagnostic). A pair that is not here changes nothing."""


@dataclass(frozen=True, slots=True)
class Change:
    """A Change is one step of a session from state to state.

    `diagnostic` is ours, `remote_diagnostic` the one received last. When silence is the cause, `silent_for` is the
    nanoseconds since a packet was last received, and `intervals` of `interval` nanoseconds were allowed.
    """

    was: State
    state: State
    diagnostic: Diagnostic
    remote_state: State
    remote_diagnostic: int
    silent_for: int = 0
    intervals: int = 0
    interval: int = 0
