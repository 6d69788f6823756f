"""`pointsman doctor`: what on this machine would spoil the hub's work, each with its mend."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from hub.control.places import SYSTEM_RUN, SYSTEM_STATE, Places

if TYPE_CHECKING:
    from hub.doctor.findings import Finding

_ALIKE_SHOWN = 3
"""Of many findings of one kind, how many are shown without `--verbose`."""
_COLOURS = {"wrong": 31, "warning": 33, "not looked at": 36, "fine": 32}

_EPILOG = """\
examples:
  pointsman doctor                       this machine, for the configuration here or in /etc/pointsman
  pointsman doctor --verbose             and all that is fine
  pointsman doctor --json | jq '.findings[] | select(.severity == "wrong")'

It changes nothing, and works whether the hub runs or not. As root it sees most; what it could not see it says.
Exit status: 0 nothing is wrong (warnings may stand), 1 something is, 2 wrong usage.
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "doctor",
        help="what on this machine would spoil the hub's work",
        description="Looks at this machine and says what would spoil the hub's work, each thing with its mend.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--config",
        metavar="DIR",
        help="the configuration (default: the lab's in its shell, else here, or /etc/pointsman)",
    )
    default_run = Path(os.environ.get("POINTSMAN_RUN_DIR", SYSTEM_RUN))
    parser.add_argument(
        "--run-dir", type=Path, default=default_run, metavar="DIR", help="sockets (default: %(default)s)"
    )
    default_state = Path(os.environ.get("POINTSMAN_STATE_DIR", SYSTEM_STATE))
    parser.add_argument(
        "--state-dir", type=Path, default=default_state, metavar="DIR", help="state (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object, with all that was looked at")
    parser.add_argument("--verbose", "-v", action="store_true", help="show what is fine, and all of many alike")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Look, judge, print; the exit status is 1 if anything is wrong."""
    from hub.config import read
    from hub.config.directory import find_directory
    from hub.doctor.examine import examine
    from hub.doctor.facts import wanted_by
    from hub.doctor.findings import Severity
    from hub.doctor.reading.machine import look

    directory = find_directory(options.config or os.environ.get("POINTSMAN_CONFIG"), Path.cwd())
    places = Places(directory, options.run_dir.absolute(), options.state_dir.absolute())
    configuration = read(directory, secrets=places.secrets)
    wanted = wanted_by(configuration.intent)
    findings = examine(look(places, configuration, wanted), wanted)
    if options.json:
        print(json.dumps(as_json(str(configuration.directory), findings), indent=2))
    else:
        print(as_text(str(configuration.directory), findings, verbose=options.verbose, colour=sys.stdout.isatty()))
    return int(any(finding.severity is Severity.WRONG for finding in findings))


def as_json(directory: str, findings: Iterable[Finding]) -> dict[str, object]:
    """Everything, for programs."""
    each = list(findings)
    counts = Counter(finding.severity.value for finding in each)
    return {
        "configuration": directory,
        **{kind.replace(" ", "-"): counts[kind] for kind in _COLOURS},
        "findings": [
            {
                "severity": finding.severity.value.replace(" ", "-"),
                "place": finding.place,
                "check": finding.key,
                "text": finding.text,
                "mend": finding.mend,
            }
            for finding in each
        ],
    }


def as_text(directory: str, findings: Iterable[Finding], *, verbose: bool, colour: bool) -> str:
    """The findings, worst first, and their sum."""
    each = list(findings)
    lines = [_coloured(finding, colour=colour) for finding in each] if verbose else _short(each, colour=colour)
    return "\n".join([f"configuration: {directory}", *lines, _summary(each)])


def _short(findings: list[Finding], *, colour: bool) -> Iterator[str]:
    """Without what is fine; of many of one kind the first few."""
    bad = [finding for finding in findings if finding.severity.value != "fine"]
    alike = Counter((finding.place, finding.key, finding.severity) for finding in bad)
    shown: Counter[object] = Counter()
    for finding in bad:
        kind = (finding.place, finding.key, finding.severity)
        shown[kind] += 1
        if shown[kind] <= _ALIKE_SHOWN:
            yield _coloured(finding, colour=colour)
        elif shown[kind] == alike[kind]:
            yield f"{finding.place}: and {alike[kind] - _ALIKE_SHOWN} more like these (--verbose shows them)"


def _coloured(finding: Finding, *, colour: bool) -> str:
    text = str(finding)
    if not colour:
        return text
    head = f"{finding.place}:"
    return f"\033[1;{_COLOURS[finding.severity.value]}m{head}\033[0m{text[len(head) :]}"


def _summary(findings: list[Finding]) -> str:
    """`2 wrong, 1 warning, 3 not looked at, 31 fine`."""
    counts = Counter(finding.severity.value for finding in findings)
    plural = "s" if counts["warning"] > 1 else ""
    kinds = {"wrong": "wrong", "warning": f"warning{plural}", "not looked at": "not looked at", "fine": "fine"}
    said = ", ".join(f"{counts[kind]} {word}" for kind, word in kinds.items() if counts[kind])
    return said or "nothing was looked at"
