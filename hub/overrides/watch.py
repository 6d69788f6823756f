"""What is watched while drains are in force: that one ends soon, and that packets are counted on what is drained."""

from __future__ import annotations

from collections.abc import Callable, Collection, MutableMapping, Sequence

from hub.overrides.counters import Counted, Counters
from hub.overrides.wording import ends_soon
from policies.model.clock import Now
from policies.model.ids import TunnelId
from policies.model.overrides import Drain

_KEY = "drain:"


class DrainWatch:
    """A DrainWatch warns of ends in the log and among the problems, and has packets counted on what is drained."""

    def __init__(
        self, problems: MutableMapping[str, tuple[str, str]], say: Callable[[str], None], counters: Counters | None
    ) -> None:
        self._problems = problems
        self._say = say
        self._counters = counters
        self._warned: set[str] = set()
        self._drained: Collection[TunnelId] = ()

    @property
    def counting(self) -> bool:
        """Whether packets can be counted at all."""
        return self._counters is not None

    def look(self, drains: Sequence[Drain], drained: Collection[TunnelId], now: Now) -> None:
        """Look at the drains that there are, and at the tunnels that are drained now."""
        self._warn(drains, now)
        self._drained = drained
        if self._counters is not None:
            self._counters.watch(drained)

    def counted(self) -> dict[TunnelId, Counted]:
        """What was counted on each drained tunnel that is counted, as it was last told."""
        if self._counters is None:
            return {}
        told = {tunnel: self._counters.counted(tunnel) for tunnel in self._drained}
        return {tunnel: counted for tunnel, counted in told.items() if counted is not None}

    def _warn(self, drains: Sequence[Drain], now: Now) -> None:
        soon = {f"{_KEY}{d.number}": said for d in drains if (said := ends_soon(d, now.wall)) is not None}
        self._warned &= soon.keys()
        for key in [key for key in self._problems if key.startswith(_KEY) and key not in soon]:
            del self._problems[key]
        for key, (text, mend) in soon.items():
            self._problems[key] = (text, mend)
            if key not in self._warned:
                self._warned.add(key)
                self._say(f"{text} ({mend})")
