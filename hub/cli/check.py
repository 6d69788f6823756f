"""`pointsman check`: everything that is wrong with a configuration, at once."""

from __future__ import annotations

import argparse
import gc
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hub.cli.where import no_configuration, say

if TYPE_CHECKING:
    from hub.config import Configuration, Problem

EXAMPLES = """\
examples:
  pointsman check                        the present directory, or /etc/pointsman
  pointsman check config/eight-branches
  pointsman check --json | jq .errors
  sudo pointsman check                   looks at the files of secrets too, which only root may

Exit status: 0 it can be used (warnings may stand), 1 errors, 2 wrong usage.
"""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "check",
        help="say all that is wrong with a configuration",
        description="Read a configuration directory and say all that is wrong with it: where, what, and the mend.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("directory", nargs="?", help="the configuration (default: here, else /etc/pointsman)")
    parser.add_argument(
        "--state-dir",
        type=Path,
        metavar="DIR",
        help="where keys and secrets are, looked at as far as you may (default: /var/lib/pointsman)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=lambda args: run(args, parser))


def run(args: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Check; the exit status is 0 if the configuration can be used, else 1."""
    if args.state_dir is not None and not args.state_dir.is_dir():
        parser.error(f"--state-dir: there is no directory {args.state_dir}")
    gc.disable()  # for a fraction of a second: a quarter of it would go into looking for garbage that is not there
    try:
        from hub.config import Configuration, read
        from hub.config.directory import find_directory
        from hub.control.places import Places

        nowhere = no_configuration(args.directory, "check")
        if nowhere is not None:
            configuration = Configuration(Path.cwd(), None, (nowhere,), 0)
        else:
            places = Places() if args.state_dir is None else Places(state=args.state_dir)
            configuration = read(find_directory(args.directory, Path.cwd()), secrets=places.secrets)
            if places.state.exists():
                from hub.cli.check_keys import with_old_keys

                configuration = with_old_keys(configuration, places)
            if _has_scripts(configuration):
                from hub.scripts.check import with_script_problems

                configuration = with_script_problems(configuration, configuration.directory)
    finally:
        gc.enable()
    if nowhere is not None and not args.json:
        say(nowhere)
    elif args.json:
        import json

        print(json.dumps(as_json(configuration), indent=2))
    else:
        print(as_text(configuration, colour=sys.stdout.isatty()))
    return 0 if configuration.intent else 1


def _has_scripts(configuration: Configuration) -> bool:
    """Only then is what runs them loaded: the rest takes half a second."""
    intent = configuration.intent
    return intent is not None and any(branch.policy.script is not None for branch in intent.branches.values())


def as_text(configuration: Configuration, *, colour: bool) -> str:
    """The directory, the problems, what liveness and health probes cost on metered tunnels, and the sum."""
    lines = [f"configuration: {configuration.directory}"]
    lines += [coloured(problem, colour=colour) for problem in configuration.problems]
    lines += _costs("liveness", metered_costs(configuration))
    lines += _costs("health probes", metered_costs(configuration, of_probes=True))
    return "\n".join([*lines, summary(configuration)])


def as_json(configuration: Configuration) -> dict[str, object]:
    """The same, for programs."""
    from hub.config import Severity

    severities = [problem.severity for problem in configuration.problems]
    intent = configuration.intent
    return {
        "configuration": str(configuration.directory),
        "files": configuration.files,
        "branches": len(intent.branches) if intent else None,
        "tunnels": len(intent.tunnels()) if intent else None,
        "errors": severities.count(Severity.ERROR),
        "warnings": severities.count(Severity.WARNING),
        "problems": [problem_json(problem) for problem in configuration.problems],
        "liveness-on-metered": _costs_json(metered_costs(configuration)),
        "health-probes-on-metered": _costs_json(metered_costs(configuration, of_probes=True)),
    }


def _costs_json(costs: list[tuple[str, int, int]]) -> list[dict[str, object]]:
    return [
        {"tunnel": tunnel, "bytes-a-month-idle": idle, "bytes-a-month-active": active} for tunnel, idle, active in costs
    ]


def problem_json(problem: Problem) -> dict[str, object]:
    """One problem, for programs."""
    return {
        "severity": problem.severity.value,
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "text": problem.text,
        "mend": problem.mend,
    }


def coloured(problem: Problem, *, colour: bool) -> str:
    """One problem as text: on a terminal, its place in bold, and red or yellow."""
    text = str(problem)
    if not colour:
        return text
    place, rest = text[: text.index(": ") + 1], text[text.index(": ") + 1 :]
    return f"\033[1;{31 if problem.severity.value == 'error' else 33}m{place}\033[0m{rest}"


def summary(configuration: Configuration) -> str:
    """`2 errors, 1 warning in 9 files`, or that all is well."""
    errors = sum(problem.severity.value == "error" for problem in configuration.problems)
    warnings = len(configuration.problems) - errors
    found = [_count(errors, "error")] if errors else []
    found += [_count(warnings, "warning")] if warnings else []
    files = _count(configuration.files, "file")
    if errors or configuration.intent is None:
        return f"{', '.join(found)} in {files}"
    intent = configuration.intent
    what = f"{_count(len(intent.branches), 'branch')}, {_count(len(intent.tunnels()), 'tunnel')}"
    return f"{', '.join(found)} in {files}: {what}, can be used" if found else f"{files}: {what}, nothing is wrong"


def metered_costs(configuration: Configuration, *, of_probes: bool = False) -> list[tuple[str, int, int]]:
    """Each metered tunnel, and the bytes a month of its liveness, or of its health probes, idle and active; if any.

    The full-size packets that look for the path's MTU are among the probes.
    """
    from hub.config.traffic import monthly_bytes, monthly_look_bytes, monthly_probe_bytes

    if configuration.intent is None:
        return []
    metered = [tunnel for tunnel in configuration.intent.tunnels().values() if tunnel.uplink.metered]
    monthly = monthly_probe_bytes if of_probes else monthly_bytes
    looks = monthly_look_bytes() if of_probes else 0
    costs = ((str(tunnel.id), monthly(tunnel.liveness)) for tunnel in metered)
    return [(tunnel, cost.idle + looks, cost.active + looks) for tunnel, cost in costs]


def size(count: int) -> str:
    """Bytes as people write them: 745 MB, 7.4 GB (decimal, as ISPs count)."""
    amount = float(count)
    for unit in ("B", "kB", "MB"):
        if amount < 999.5:
            return f"{amount:.0f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"


def _costs(what: str, costs: list[tuple[str, int, int]]) -> list[str]:
    """One line for each cost, so that five hundred equal tunnels are one line."""
    by_cost: dict[tuple[int, int], list[str]] = {}
    for tunnel, idle, active in costs:
        by_cost.setdefault((idle, active), []).append(tunnel)
    lines = []
    for (idle, active), tunnels in by_cost.items():
        named = ", ".join(tunnels[:4]) + (f" and {len(tunnels) - 4} more" if len(tunnels) > 4 else "")
        each = " each" if len(tunnels) > 1 else ""
        cost = f"{size(idle)}{each} a month while idle, at the rate of {size(active)} while active"
        lines.append(f"{what} on metered {named}: {cost}")
    return lines


def _count(number: int, what: str) -> str:
    plural = "branches" if what == "branch" else f"{what}s"
    return f"{number} {what if number == 1 else plural}"
