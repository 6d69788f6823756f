"""What `pointsman check` says, in one line."""

from __future__ import annotations

from collections.abc import Iterator

from hub.doctor.facts import Facts, Wanted
from hub.doctor.findings import Finding, fine, unseen, warning, wrong

PLACE = "configuration"


def configuration(facts: Facts, wanted: Wanted) -> Iterator[Finding]:
    """Errors in the files; without an intent much could not be looked at."""
    read = facts.configured
    if wanted.intent is None:
        count = f"{read.errors} error{'' if read.errors == 1 else 's'}"
        text = f"{read.directory} cannot be used, {count}: {read.first}"
        yield wrong(
            PLACE, "errors", text, f"pointsman check {read.directory}; another directory: pointsman doctor --config DIR"
        )
        what = "tunnels, routes, ports and what depends on the configuration"
        yield unseen(PLACE, "dependent", what, "needs a configuration without errors")
    elif read.warnings:
        count = f"{read.warnings} warning{'' if read.warnings == 1 else 's'}"
        text = f"{read.directory} can be used, with {count}: {read.first}"
        yield warning(PLACE, "warnings", text, f"pointsman check {read.directory}")
    else:
        yield fine(PLACE, "errors", f"{read.directory} can be used")
