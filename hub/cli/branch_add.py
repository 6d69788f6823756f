"""`pointsman branch add`: a new branch's file, and what it is given."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from hub.cli.branch_where import add_configuration, configuration_of, named, refused, step, unwritable
from hub.cli.exit_status import DONE
from hub.cli.saying import line

if TYPE_CHECKING:
    from hub.config.branch_addition import Addition, Wish
    from hub.config.new_branch import NewUplink
    from policies.model.ids import Prefix

_EPILOG = """\
examples:
  pointsman branch add malang --as 65009 --prefix 10.9.0.0/24 --uplink fiber:telkom --uplink wireless:indosat,metered
  pointsman branch add malang --uplink fiber:telkom --uplink lte:indosat,metered,behind-nat --router routeros
  pointsman branch add malang --uplink fiber:telkom,ipsec --uplink wireless:indosat     one of each
  pointsman branch add malang --dry-run                                                what it would write

an uplink is NAME:ISP, and after commas what else is so: metered, behind-nat, wireguard, ipsec, or its kind if that is
not its name: fiber, wireless, lte, 5g, satellite, dsl, cable, microwave, other

exit status: 0 done, 1 refused (nothing was written), 2 usage
"""

T = TypeVar("T")


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "add",
        help="write a new branch's file, and allocate what its tunnels need",
        description="Writes branches/NAME.yaml, and gives its tunnels their link addresses, ports and hub uplinks in "
        "allocations.yaml. Nothing is overwritten, and nothing is written at all if the configuration would then have "
        "errors. What is not said is proposed from the other branches: the next private AS, the next prefix of "
        "their row; two uplinks whose ISPs you then write.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", metavar="NAME", type=named, help="small letters, digits and hyphens")
    parser.add_argument("--as", dest="asn", type=_asn, metavar="NUMBER", help="its AS (default: the next private one)")
    parser.add_argument("--ibgp", action="store_true", help="it is in the hub's AS instead")
    parser.add_argument(
        "--prefix", action="append", type=_prefix, metavar="PREFIX", help="what is behind it, once each (default: next)"
    )
    parser.add_argument(
        "--uplink", action="append", type=_uplink, metavar="NAME:ISP", help="an internet line, once each"
    )
    parser.add_argument("--router", choices=("routeros", "frr", "bird", "other"), help="what routes there")
    parser.add_argument(
        "--router-id", type=_address, metavar="ADDRESS", help="wanted where it has no IPv4 prefix (default: its first)"
    )
    parser.add_argument(
        "--transport", choices=("wireguard", "ipsec"), default="wireguard", help="how its tunnels are made"
    )
    parser.add_argument("--dry-run", action="store_true", help="write nothing, print it")
    add_configuration(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Add it; 0 if it was written."""
    from hub.config.allocation import RefusedError
    from hub.config.branch_addition import alone, plan_addition, put, wish_problem

    directory = configuration_of(options, "add")
    if isinstance(directory, int):
        return directory
    wish = _wish(options)
    if (problem := wish_problem(wish)) is not None:
        return refused(options, directory, [problem])
    try:
        with alone(directory):
            addition = plan_addition(directory, wish)
            if not options.dry_run:
                put(directory, addition)
    except RefusedError as refusal:
        return refused(options, directory, refusal.problems)
    except (OSError, UnicodeDecodeError) as error:
        failed = error if isinstance(error, OSError) else OSError(str(error))
        return refused(options, directory, [unwritable(failed, wish.file)])
    if options.json:
        print(json.dumps(as_json(directory, addition, dry_run=options.dry_run), indent=2))
    else:
        print("\n".join(as_text(directory, addition, dry_run=options.dry_run)))
    return DONE


def as_json(directory: Path, addition: Addition, *, dry_run: bool) -> dict[str, object]:
    """What was written, for programs."""
    from hub.cli.allocate import allocation_json
    from hub.cli.check import problem_json

    return {
        "configuration": str(directory),
        "dry-run": dry_run,
        "branch": addition.branch.name,
        "file": addition.branch.file,
        "text": addition.text,
        "allocated": {str(tunnel): allocation_json(given) for tunnel, given in addition.allocated.items()},
        "secrets": list(_secrets(addition)),
        "problems": [problem_json(problem) for problem in addition.problems],
    }


def as_text(directory: Path, addition: Addition, *, dry_run: bool) -> Iterator[str]:
    """What was written, what it was given, and what comes next."""
    from hub.config.allocations_file import render

    yield f"configuration: {directory}"
    if dry_run:
        yield f"--- {addition.branch.file}"
        yield addition.text.rstrip("\n")
        yield "---"
    else:
        yield line("written", addition.branch.file)
    for tunnel, given in addition.allocated.items():
        yield line("would get" if dry_run else "allocated", f"{tunnel}: {render(given)}")
    for problem in addition.problems:
        yield str(problem)
    if dry_run:
        yield "nothing was written"
        return
    yield from _next_steps(directory, addition)


def _next_steps(directory: Path, addition: Addition) -> Iterator[str]:
    branch = addition.branch
    if any(branch.transport_of(uplink) == "wireguard" for uplink in branch.uplinks):
        yield line("keys", 'of WireGuard are made by "pointsman apply", on this machine; none is in these files')
    for file in _secrets(addition):
        where = f"secrets/{file} of the state directory, mode 0600"
        yield line("secret", f"of both ends, for {where}: openssl rand -base64 33")
    heading = "next"
    if branch.waits:
        yield line(heading, f"write what is marked TODO in {directory / branch.file}, then:")
        yield step("", "pointsman allocate", "gives its tunnels what they need")
        heading = ""
    yield step(heading, "pointsman plan", "what it would do")
    yield step("", "pointsman apply", "makes the hub's ends and their keys, opens the sessions")
    yield step("", f"pointsman router print {branch.name}", "the branch's end, to put there")


def _secrets(addition: Addition) -> Iterator[str]:
    from hub.config.new_branch import psk_file

    branch = addition.branch
    for uplink in branch.uplinks:
        if branch.transport_of(uplink) == "ipsec":
            yield psk_file(branch, uplink)


def _wish(options: argparse.Namespace) -> Wish:
    from hub.config.branch_addition import Wish

    return Wish(
        name=options.name,
        asn=options.asn,
        prefixes=tuple(options.prefix or ()),
        uplinks=tuple(options.uplink or ()),
        router=options.router,
        router_id=options.router_id,
        transport=options.transport,
        ibgp=options.ibgp,
    )


def _prefix(text: str) -> Prefix:
    from hub.config.scalars import read_prefix

    return _read(text, read_prefix)


def _address(text: str) -> str:
    from hub.config.scalars import read_address

    return str(_read(text, read_address))


def _uplink(text: str) -> NewUplink:
    from hub.config.new_branch import read_uplink

    return _read(text, read_uplink)


def _read(text: str, read: Callable[[str], T]) -> T:
    """A value as the files have it, or what is wrong with it as argparse says that."""
    from hub.config.scalars import UnreadableError

    try:
        return read(text)
    except UnreadableError as problem:
        raise argparse.ArgumentTypeError(f"{problem}{f' ({problem.mend})' if problem.mend else ''}") from problem


def _asn(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 4294967294:
        raise argparse.ArgumentTypeError(f'"{text}" is no AS number: from 1 to 4294967294 (65009)')
    return int(text)
