"""`pointsman router print`: a branch's end of the network as text to paste."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hub.cli.exit_status import DONE, REFUSED
from hub.cli.hub_files import HubFiles, add_files, files_of, said_again
from hub.cli.where import no_configuration, say

if TYPE_CHECKING:
    from hub.branch_router.end import BranchEnd
    from hub.branch_router.secrets import Secrets
    from hub.branch_router.texts import Text
    from policies.model.intent import Branch, Intent

PARTS = ("bird", "frr", "wg-quick", "swanctl", "pins", "firewall", "sheet")
"""As in `hub.branch_router.texts`, which takes its time to load."""

_EPILOG = """\
examples:
  pointsman router print bandung                       all of it, words in place of its keys
  sudo pointsman router print bandung --with-keys --directory bandung
  pointsman router print bandung --part bird
  pointsman router print bandung --part sheet          the values, for a router of any make

Which texts: by "router: {kind: …}" of the branch: bird or frr, the tunnels (wg-quick, swanctl), pins and firewall;
without a kind as for bird; the sheet of values for all others.
Exit status: 0 done, 1 the configuration has errors, something is missing, or the text for this kind is not there yet,
2 wrong usage.
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command, with its part."""
    parser = commands.add_parser(
        "router",
        help="the branch's end as text to paste into its router",
        description="What belongs into a branch's router, made from the same files as the hub's end.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parts = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    printing = parts.add_parser(
        "print",
        help="print it, file after file",
        description="Prints what belongs into a branch's router, file after file, each below a line that names it.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_arguments(printing)
    printing.set_defaults(run=run_print)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("branch", metavar="BRANCH")
    add_files(parser, state="keys and secrets")
    parser.add_argument("--part", action="append", choices=PARTS, help="only this; may be said again")
    parser.add_argument("--with-keys", action="store_true", help="private keys and passwords too; as root")
    parser.add_argument(
        "--directory", type=Path, metavar="OUT", help="write the files below it, print only their names"
    )
    parser.add_argument("--force", action="store_true", help="overwrite files in OUT")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run_print(options: argparse.Namespace) -> int:
    """Print it, or write it to files."""
    from hub.branch_router.from_intent import end_of

    files = files_of(options)
    if isinstance(files, int):
        return files
    found = _branch(options, files)
    if isinstance(found, int):
        return found
    intent, branch = found
    return _print(options, files, branch, end_of(intent.hub, branch))


def _print(options: argparse.Namespace, files: HubFiles, branch: Branch, end: BranchEnd) -> int:
    from hub.branch_router.texts import TO_CONNECT, remarks, texts, usual_parts
    from hub.cli.router_secrets import LackingError, Mends, secrets_of

    parts = tuple(options.part or usual_parts(end))
    lacking = [tunnel for tunnel in end.tunnels if tunnel.endpoint is None and tunnel.carrier is not None]
    if lacking and set(parts) & set(TO_CONNECT):
        where = f"hub.uplinks.{lacking[0].hub_uplink}"
        text = f"network.yaml: {where} has no endpoint: {lacking[0].name} cannot be told what to connect to"
        return _refuse(text, f"write endpoint: ADDRESS at {where}, the public address of the hub there")
    mends = Mends(f"router print {branch.name}{said_again(options)}", f"apply{said_again(options, 'name')}")
    try:
        secrets, notes = secrets_of(branch, end, files.state, mends, with_keys=options.with_keys)
    except LackingError as error:
        return _refuse(str(error), error.mend)
    made = texts(end, parts, secrets)
    if not made:
        kinds = ", ".join(dict.fromkeys(_kind(tunnel.carrier) for tunnel in end.tunnels))
        return _refuse(f"{end.name} has no tunnel for {', '.join(parts)}: its tunnels are {kinds}", "leave out --part")
    status = _put(options, end, made, secrets, (*remarks(end, parts), *notes))
    return status if options.part or status != DONE else _unless_still_to_come(end)


def _kind(carrier: object) -> str:
    return {"WireGuardEnd": "WireGuard", "IpsecEnd": "IPsec"}.get(type(carrier).__name__, "made by others")


def _branch(options: argparse.Namespace, files: HubFiles) -> tuple[Intent, Branch] | int:
    from hub.config import read
    from hub.config.directory import find_directory
    from hub.config.names import listed, write_instead

    again = f"router print {options.branch}{said_again(options, 'state_dir', 'name')} --config"
    if (nowhere := no_configuration(files.config, again)) is not None:
        say(nowhere)
        return REFUSED
    directory = find_directory(files.config, Path.cwd())
    configuration = read(directory)
    if (intent := configuration.intent) is None:
        for problem in configuration.problems:
            print(problem, file=sys.stderr)
        return REFUSED
    branch = intent.branches.get(options.branch)
    if branch is None:
        mend = write_instead(options.branch, intent.branches) or f"there are {listed(intent.branches)}"
        return _refuse(f'there is no branch "{options.branch[:60]}" in {directory}', mend)
    return intent, branch


def _put(
    options: argparse.Namespace, end: BranchEnd, made: Sequence[Text], secrets: Secrets, notes: Sequence[str]
) -> int:
    if options.directory is not None:
        from hub.cli.router_files import RefusedError, write_all

        try:
            written = write_all(options.directory, made, force=options.force)
        except RefusedError as error:
            return _refuse(str(error), error.mend)
        if not options.json:
            print("\n".join(f"{path}    {text.told}" for path, text in zip(written, made, strict=True)))
    if options.json:
        import json

        print(json.dumps(_as_json(end, made, secrets, notes), indent=2, ensure_ascii=False))
    elif options.directory is None:
        print(as_text(end, made, chosen=bool(options.part)), end="")
    for note in notes:
        print(f"pointsman: {note}", file=sys.stderr)
    return DONE


def as_text(end: BranchEnd, made: Sequence[Text], *, chosen: bool) -> str:
    """File after file, each below a line that names it."""
    heading = []
    if end.router is None and not chosen:
        heading.append(
            f"# branches/{end.name}.yaml names no router: this is for BIRD on Linux. Else: router: {{kind: frr}}\n"
        )
    return "\n".join([*heading, *(f"#### {text.path}    {text.told}\n{text.text}" for text in made)])


def _as_json(end: BranchEnd, made: Sequence[Text], secrets: Secrets, notes: Sequence[str]) -> dict[str, object]:
    from hub.branch_router.sheet import sheet_sections

    files = [
        {"part": text.part, "path": text.path, "mode": f"{text.mode:04o}", "note": text.told, "text": text.text}
        for text in made
    ]
    answer: dict[str, object] = {"branch": end.name, "router": end.router, "files": files, "notes": list(notes)}
    if any(text.part == "sheet" for text in made):
        answer["sheet"] = {section.title: dict(section.rows) for section in sheet_sections(end, secrets)}
    return answer


def _unless_still_to_come(end: BranchEnd) -> int:
    if end.router != "routeros":
        return DONE
    text = f"no text for RouterOS yet: the values of {end.name} are above"
    return _refuse(text, "write it by docs/how-to/branch-router.md, section 2")


def _refuse(text: str, mend: str) -> int:
    print(f"pointsman: {text}\n    mend: {mend}", file=sys.stderr)
    return REFUSED
