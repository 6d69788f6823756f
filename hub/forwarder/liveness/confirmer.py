"""From a late packet to a verdict: asks over a silent tunnel, and over its siblings, when `Doubt` says so.

And back: a tunnel that was found dead while its session stands is watched until it answers steadily, or until the
answer to a probe of that burst comes after all: then it was late and not lost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from hub.forwarder.liveness.company import Company, Member
from hub.forwarder.liveness.model import milliseconds
from hub.forwarder.loop import Loop
from speaker.bfd.confirmation import Doubt, Healing, Verdict
from speaker.bfd.timing import NEVER

WITNESS_PROBES = 3
"""Of a burst, so many probes go over the siblings too."""
TAKEN_BACK_EVERY = 10_000_000_000
"""Nanoseconds within which one death is taken back by a late answer, and no second one: that must be steady first."""
AGAIN, LATE = "answers again", "answered late: the probes were not lost"
"""Why a tunnel that was found dead is believed."""
_ANY = 1 << 62


class Confirmer:
    """A Confirmer belongs to the watch of one tunnel, which tells it what it hears and calls `look` when it is `due`.

    `expected` says what `Doubt.late_at` is to be asked for, None while nothing is expected; `drain` reads all that has
    arrived, so that `heard` is called of it. `asks_on`: the watch does not ask by itself over a tunnel found dead.
    """

    def __init__(
        self,
        member: Member,
        doubt: Doubt,
        *,
        loop: Loop,
        company: Company,
        counters: Counter[str],
        expected: Callable[[], int | None],
        drain: Callable[[], None],
        asks_on: bool,
    ) -> None:
        self.doubt = doubt
        self.heard_at: int | None = None
        self.answered_at: int | None = None
        self._member = member
        self._loop = loop
        self._company = company
        self._counters = counters
        self._expected = expected
        self._drain = drain
        self._asks_on = asks_on
        self._began = 0
        self._burst = (0, -1)
        self._taken_back = -TAKEN_BACK_EVERY
        self._healing: Healing | None = None
        self._probe_due = NEVER
        self._again = False

    @property
    def due(self) -> int:
        """When `look` has to be called next; `NEVER` while there is no reason."""
        if self._healing is not None:
            return self._probe_due
        if self.doubt.asking:
            return self.doubt.due
        expected = self._expected() if self._member.spec.confirm else None
        return NEVER if expected is None else self.doubt.late_at(expected)

    def restart(self) -> None:
        """The session began anew, or ended: what was known of a silence is over."""
        self._healing, self._probe_due, self._again = None, NEVER, False
        self._burst = (0, -1)
        self.doubt.forget()

    def heard(self, arrived: int, now: int, *, answer: bool, sent: int | None = None) -> str:
        """Something came over the tunnel, at best an `answer` to us, to what was `sent` then, if that is known.

        Why a dead one is to be believed again; empty when it is not.
        """
        if self.heard_at is None or arrived > self.heard_at:
            self.heard_at, self._again = arrived, False
        if answer and (self.answered_at is None or arrived > self.answered_at):
            self.answered_at = arrived
        if self.doubt.heard(arrived, now):
            self._counters["confirmations-cleared"] += 1
        if self._healing is None or not answer:
            return ""
        steady, late = self._healing.answered(arrived), sent is not None and self._takes_back(sent, now)
        if not steady and not late:
            return ""
        self._healing, self._probe_due = None, NEVER
        return LATE if late else AGAIN

    def _takes_back(self, sent: int, now: int) -> bool:
        """Whether this answers a probe of the burst by which the tunnel was found dead."""
        first, last = self._burst
        if not first <= sent <= last or now - self._taken_back < TAKEN_BACK_EVERY:
            return False
        self._taken_back, self._burst = now, (0, -1)
        self._counters["confirmations-taken-back"] += 1
        return True

    def heal(self, longest_gap: int) -> None:
        """The tunnel is dead while its session stands: believe it again once it answers for a while.

        `longest_gap` is how many nanoseconds without an answer begin that while anew.
        """
        self._healing = Healing(longest_gap)
        self._probe_due = self._loop.now() if self._asks_on else NEVER

    def ask_again(self) -> bool:
        """Whether a death by silence should be doubted once more: unlike tunnels fell silent in the same moment."""
        if self._again or not self._company.unlike_is_silent(self._member, self._loop.now()):
            return False
        self._counters["confirmations-asked-again"] += 1
        self._again = True
        return True

    def look(self) -> str | None:
        """See to what is due; why the tunnel is dead, if it was just found to be."""
        if self._loop.now() < self.due:
            return None
        if self._healing is not None:
            now = self._loop.now()
            self._probe_due = now + self._member.interval
            self._member.probe(now)
            return None
        self._drain()
        return self._judge() if self._loop.now() >= self.due else None

    def _judge(self) -> str | None:
        now, doubt = self._loop.now(), self.doubt
        if not doubt.asking:
            self._counters["confirmations-begun"] += 1
            doubt.begin(now)
            self._began = now
        witness_heard, witness = self._company.witness(self._member, doubt.lasts)
        verdict = doubt.judge(
            now,
            witness_heard=witness_heard,
            hub_slept=self._loop.stalled_since(self._began, _ANY) > 0,
            unlike=self._company.unlike_is_silent(self._member, now),
        )
        if verdict is Verdict.ASK:
            self._ask(now)
        if verdict is not Verdict.DEAD:
            return None
        self._counters["confirmations-dead"] += 1
        self._burst = (self._began, now)
        silent_for = milliseconds(now - self.heard_at) if self.heard_at is not None else "ever"
        count = doubt.planned
        heard = witness.rpartition("/")[2]
        return f"silent for {silent_for}; {count} of {count} confirmation probes lost, {heard} heard"

    def _ask(self, now: int) -> None:
        number = self.doubt.asked(now)
        if number == 1:
            self._began = now
        self._counters["confirmation-probes"] += 1
        self._member.probe(now)
        if number <= WITNESS_PROBES:
            self._company.ask_witnesses(self._member, now)
