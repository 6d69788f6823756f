"""targets: what was asked beyond the tunnels, from outcomes to standings, and what they say of a tunnel. Pure.

A single outcome changes nothing. What fails by every tunnel is the target's own failure and is held against no tunnel;
what fails by one tunnel while it answers by another is that tunnel's. A tunnel that is dead has no say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from policies.model.clock import NEVER, Instant
from policies.model.events import ChecksTaken
from policies.model.ids import TunnelId
from policies.model.intent import Branch, Hub, HubUplink
from policies.model.targets import NOT_ASKED, Check, CheckKey, CheckResult, CheckView, Outcome, Run, TargetStanding, Via
from policies.model.view import LivenessState, View

STALE_INTERVALS = 3
"""A target that has not been asked for so many intervals, and its timeout, is not known any more."""

_AMOUNTS_TO = {
    Outcome.ANSWERED: TargetStanding.OK,
    Outcome.FAILED: TargetStanding.FAILING,
    Outcome.UNKNOWN: TargetStanding.UNKNOWN,
}


def taken(view: View, event: ChecksTaken) -> Mapping[CheckKey, CheckView]:
    """What is believed of all checks after these results."""
    targets = dict(view.targets)
    for key in event.gone:
        targets.pop(key, None)
    for result in event.results:
        tunnel = result.key.tunnel_id
        if tunnel is not None and view.liveness_of(tunnel).state is LivenessState.DOWN:
            targets[result.key] = replace(NOT_ASKED, at=result.at, text="the tunnel is down", timing=result.timing)
        else:
            targets[result.key] = step(targets.get(result.key, NOT_ASKED), result)
    return targets


def step(was: CheckView, result: CheckResult) -> CheckView:
    """One more outcome: the standing changes only after as many alike as `fall` or `rise` say."""
    run = was.run + 1 if result.outcome is was.last else 1
    answered = result.outcome is Outcome.ANSWERED
    enough = run >= (result.timing.rise if answered else result.timing.fall)
    standing = _AMOUNTS_TO[result.outcome] if enough else was.standing
    # Why it fails is still of interest while the first answers come.
    keeps_words = answered and standing is TargetStanding.FAILING
    return CheckView(
        standing=standing,
        since=was.since if standing is was.standing and was.since != NEVER else result.at,
        last=result.outcome,
        run=run,
        at=result.at,
        answered_at=result.at if answered else was.answered_at,
        failed_at=result.at if result.outcome is Outcome.FAILED else was.failed_at,
        round_trip=result.round_trip if answered else was.round_trip,
        text=was.text if keeps_words else result.text,
        mend=was.mend if keeps_words else result.mend,
        timing=result.timing,
    )


def standing_of(known: CheckView, now: Instant) -> TargetStanding:
    """What it amounts to now: what has not been asked for long is not known."""
    timing = known.timing
    patience = (STALE_INTERVALS * timing.interval + timing.timeout).total_seconds()
    return known.standing if now - known.at <= patience else TargetStanding.UNKNOWN


def keys_of(place: str, check: Check, tunnels: Iterable[str]) -> tuple[CheckKey, ...]:
    """The ways in which a check is asked; `tunnels` are the names of the branch's tunnels, none for an uplink."""
    if check.via is Via.EACH:
        return tuple(CheckKey(place, check.name, tunnel) for tunnel in tunnels)
    return (CheckKey(place, check.name),)


def uplink_place(hub: Hub, uplink: HubUplink) -> str:
    """How an uplink of the hub is written: `hub:hq/telkom`."""
    return f"hub:{hub.name}/{uplink.name}"


def uplink_key(hub: Hub, uplink: HubUplink, check: Check) -> CheckKey:
    """The one way in which an external target is asked: through its uplink."""
    return CheckKey(uplink_place(hub, uplink), check.name)


def branch_keys(branch: Branch) -> Iterator[CheckKey]:
    """All askings of a branch."""
    for check in branch.targets:
        yield from keys_of(branch.name, check, (tunnel.id.name for tunnel in branch.tunnels))


@dataclass(frozen=True, slots=True)
class BranchCheck:
    """A BranchCheck is one check of a branch, by its live tunnels: which fail, which answer, which are not known.

    `blamed` are those that fail for sure while the same target answers by another tunnel. `answers` has "" where the
    kernel's routes decide.
    """

    check: Check
    failing: Mapping[str, CheckView]
    answering: Mapping[str, CheckView]
    unknown: Mapping[str, CheckView]
    blamed: frozenset[str] = frozenset()

    @property
    def fails_everywhere(self) -> bool:
        """Whether it is the target's own failure: nobody gets an answer, and somebody asked."""
        return bool(self.failing) and not self.answering


def branch_checks(branch: Branch, view: View, now: Instant) -> Iterator[BranchCheck]:
    """What is known of each check of a branch."""
    live = [t.id.name for t in branch.tunnels if view.liveness_of(t.id).state is not LivenessState.DOWN]
    for check in branch.targets if live else ():
        by: dict[TargetStanding, dict[str, CheckView]] = {standing: {} for standing in TargetStanding}
        for key in keys_of(branch.name, check, live):
            known = view.targets.get(key, NOT_ASKED)
            by[standing_of(known, now)][key.tunnel] = known
        failing, answering = by[TargetStanding.FAILING], by[TargetStanding.OK]
        blamed = frozenset(
            name for name, fails in failing.items() if any(_differ(fails, a) for a in answering.values())
        )
        yield BranchCheck(check, failing, answering, by[TargetStanding.UNKNOWN], blamed)


def _differ(fails: CheckView, answers: CheckView) -> bool:
    """Whether one way failed and the other answered after both had come to their standing.

    A target that dies, or comes back, is noticed by one way before the other: that tells nothing of a tunnel.
    """
    return answers.answered_at > fails.since and fails.failed_at > answers.since


def failing_tunnels(branch: Branch, view: View, now: Instant) -> Mapping[TunnelId, tuple[str, ...]]:
    """What is held against each tunnel of a branch, in words for `HealthView.failing`; most often nothing."""
    words: dict[TunnelId, tuple[str, ...]] = {}
    if not any(view.targets.get(key, NOT_ASKED).standing is TargetStanding.FAILING for key in branch_keys(branch)):
        return words
    for known in branch_checks(branch, view, now):
        for name in sorted(known.blamed):
            others = ", ".join(sorted(known.answering))
            said = (
                f"{subject(known.check)} {complaint(known.check, known.failing[name])} by it, but by {others} it does"
            )
            words[TunnelId(branch.name, name)] = (*words.get(TunnelId(branch.name, name), ()), said)
    return words


def subject(check: Check) -> str:
    """`target erp (10.1.0.10:443)`, `check backup`."""
    return f"check {check.name}" if isinstance(check.question, Run) else f"target {check.name} ({check.question})"


def complaint(check: Check, known: CheckView) -> str:
    """`does not answer (connection refused)`, `fails (disk full)`."""
    verb = "fails" if isinstance(check.question, Run) else "does not answer"
    return f"{verb} ({known.text})" if known.text else verb
