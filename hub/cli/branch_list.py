"""`pointsman branch list`: what the files say of every branch."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from hub.cli.branch_where import add_configuration, configuration_of
from hub.cli.exit_status import DONE, REFUSED

if TYPE_CHECKING:
    from rich.console import RenderableType

    from hub.config.branch_rows import BranchRow, TunnelRow
    from hub.config.problems import Problem

_EPILOG = """\
examples:
  pointsman branch list
  pointsman branch list --json | jq -r '.branches[] | [.name, .as] | @tsv'

exit status: 0 done (what is wrong with the files says "pointsman check"), 1 they cannot be read, 2 usage
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "list",
        help="every branch of the files: AS, prefixes, tunnels, router, policy",
        description="Says what the files say of every branch. No hub need run; what is in force, and how it fares, "
        'says "pointsman status".',
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_configuration(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """List them."""
    from hub.config.branch_rows import branch_rows
    from hub.config.load import load
    from hub.config.problems import Severity
    from hub.config.resolve import survey

    directory = configuration_of(options, "list")
    if isinstance(directory, int):
        return directory
    looked = survey(load(directory))
    rows = branch_rows(looked)
    errors = [problem for problem in looked.problems if problem.severity is Severity.ERROR]
    if options.json:
        print(json.dumps(as_json(directory, rows, errors), indent=2))
    else:
        _show(directory, rows, errors)
    return DONE if rows or not errors else REFUSED


def as_json(directory: Path, rows: Iterable[BranchRow], errors: Iterable[Problem]) -> dict[str, object]:
    """The same, for programs."""
    from hub.cli.check import problem_json

    return {
        "configuration": str(directory),
        "branches": [_branch_json(row) for row in rows],
        "problems": [problem_json(problem) for problem in errors],
    }


def _branch_json(row: BranchRow) -> dict[str, object]:
    made = asdict(row)
    return {("as" if key == "asn" else key): value for key, value in made.items()}


def _show(directory: Path, rows: tuple[BranchRow, ...], errors: list[Problem]) -> None:
    from hub.cli.screen import show

    print(f"configuration: {directory}", flush=True)
    if rows:
        show(_table(rows))
    elif not errors:
        print('there are no branches: "pointsman branch add NAME" writes the first')
    for row in rows:
        if not row.readable:
            print(f"branches/{row.name}.yaml cannot be used", file=sys.stderr)
    if errors:
        print(f"{len(errors)} error{'s' if len(errors) > 1 else ''}: see pointsman check {directory}", file=sys.stderr)


def _table(rows: Iterable[BranchRow]) -> RenderableType:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from hub.cli.screen import Parts

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for column in ("BRANCH", "AS", "PREFIXES", "TUNNELS", "MODE", "ROUTER", "POLICY"):
        table.add_column(column, no_wrap=column in ("BRANCH", "AS", "MODE", "ROUTER", "POLICY"), overflow="fold")
    for row in rows:
        table.add_row(
            Text(row.name),
            Text(f"{row.asn or '?'}{' (iBGP)' if row.bgp == 'ibgp' else ''}" if row.readable else "?"),
            Parts(map(Text, row.prefixes)),
            Parts(Text(_tunnel(tunnel)) for tunnel in row.tunnels),
            Text(row.mode),
            Text(row.router or "-"),
            Text(row.policy),
        )
    return table


def _tunnel(tunnel: TunnelRow) -> str:
    """`wireless wireguard indosat -> biznet, metered`."""
    over = "" if tunnel.uplink == tunnel.name else f" over {tunnel.uplink}"
    metered = ", metered" if tunnel.metered else ""
    return f"{tunnel.name}{over} {tunnel.transport} {tunnel.isp} -> {tunnel.to or 'not allocated'}{metered}"
