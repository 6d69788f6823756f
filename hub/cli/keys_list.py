"""`pointsman keys list`: how old every key is, and which are too old."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from hub.cli.exit_status import DONE, NOT_RUNNING, REFUSED
from hub.cli.keys_where import KeysWhere, add_where, keys_where

if TYPE_CHECKING:
    from rich.console import RenderableType

    from hub.control.places import Places
    from policies.key_ages import KeptKey, OldKeys
    from policies.model.intent import Intent

PATIENCE_SECONDS = 20.0
_EPILOG = """\
examples:
  pointsman keys list
  pointsman keys list --json | jq -r '.keys[] | select(.old) | .tunnel'

Root looks at the files of the state directory, or of the lab; anybody else, and everybody who names only sockets by
--run-dir, asks the provisioner. Of a secret the age is that of its file. How old a key may become says key-age in
network.yaml.

exit status: 0 done, 1 the keys cannot be looked at, 2 usage, 3 no provisioner is running
"""


def add_list(parts: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `list` below `keys`."""
    parser = parts.add_parser(
        "list",
        help="how old every key, secret and certificate is",
        description="Says how old the keys of every tunnel are: those of WireGuard, the secrets of IPsec, and when a "
        "certificate ends. It shows no key.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print the data instead")
    add_where(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """List them."""
    from hub.config import read
    from policies.key_ages import old_keys

    where = keys_where(options)
    intent = read(where.config).intent
    kept = _kept(where, intent)
    if isinstance(kept, int):
        return kept
    limit, now = _limit(intent), time.time()
    old = old_keys(kept, limit, now)
    if options.json:
        print(json.dumps(as_json(kept, old, limit, now), indent=2))
    else:
        _show(options, kept, old, limit, now)
    return DONE


def as_json(kept: Iterable[KeptKey], old: Iterable[OldKeys], limit: timedelta, now: float) -> dict[str, object]:
    """The same, for programs."""
    from policies.key_ages import is_old

    return {
        "key-age-days": limit.days,
        "keys": [
            {
                "tunnel": each.tunnel,
                "kind": each.kind,
                "file": each.file or None,
                "made": each.made,
                "ends": each.ends,
                "old": is_old(each, limit, now),
                "preshared": each.preshared,
                "branch-made-its-own": each.branch_made_its_own,
                "exchanging-since": each.exchanging_since,
                "fault": each.fault or None,
            }
            for each in kept
        ],
        "problems": [{"key": each.key, "text": each.text, "mend": each.mend} for each in old],
    }


def _kept(where: KeysWhere, intent: Intent | None) -> tuple[KeptKey, ...] | int:
    """From the files of this machine, or else from the provisioner; or the exit status after saying why not."""
    from hub.provisioner.changes import ProvisionError
    from hub.provisioner.from_intent import wanted_of
    from hub.provisioner.kept_keys import kept_keys, may_look
    from hub.provisioner.keys.store import KeyStore

    places = where.places
    if not where.is_state_known or not may_look(places.state, places.keys, places.secrets):
        return _asked(places, forbidden=where.is_state_known)
    if intent is None:
        print("pointsman: the configuration cannot be used, so that its tunnels are not known", file=sys.stderr)
        print(f"    mend: pointsman check {where.config}; or name another one: --config DIR", file=sys.stderr)
        return REFUSED
    try:
        return kept_keys(wanted_of(intent), KeyStore(places.keys), places.secrets)
    except ProvisionError as error:
        print(f"pointsman: {error}\n    mend: {error.mend}", file=sys.stderr)
        return REFUSED


def _asked(places: Places, *, forbidden: bool) -> tuple[KeptKey, ...] | int:
    from hub.control.client import NotRunningError, RefusedError, ask_controller
    from hub.control.provisioner_silence import silence
    from hub.provisioner.kept_keys import kept_of

    try:
        return kept_of(ask_controller(places.provisioner_socket, {"ask": "keys"}, PATIENCE_SECONDS).get("keys"))
    except NotRunningError as error:
        text, mend = silence(error)
        why = f"you may not look into {places.state}, and {text}" if forbidden else text
        print(f"pointsman: {why}\n    mend: {mend}, or repeat this with sudo", file=sys.stderr)
        return NOT_RUNNING
    except RefusedError as error:
        print(f"pointsman: {error}", file=sys.stderr)
        return REFUSED


def _limit(intent: Intent | None) -> timedelta:
    from policies.model.intent import Security

    return (Security() if intent is None else intent.security).key_age


def _show(
    options: argparse.Namespace, kept: tuple[KeptKey, ...], old: Iterable[OldKeys], limit: timedelta, now: float
) -> None:
    from hub.cli.same_hub import same_hub
    from hub.cli.screen import show

    if not kept:
        print("no tunnel has keys of its own")
        return
    show(_table(kept, limit, now))
    for each in old:
        print(same_hub(f"{each.text}\n    mend: {each.mend}", options))


def _table(kept: Iterable[KeptKey], limit: timedelta, now: float) -> RenderableType:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from policies.key_ages import is_old

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for column in ("TUNNEL", "KEY", "AGE", "REMARKS"):
        table.add_column(column, no_wrap=column in ("TUNNEL", "AGE"), overflow="fold")
    for each in kept:
        too_old = is_old(each, limit, now)
        remarks = [*(["too old"] if too_old else []), *_remarks(each, now)]
        style = "yellow" if too_old or each.fault else ""
        table.add_row(*map(Text, (each.tunnel, _what(each), _age(each.made, now), ", ".join(remarks))), style=style)
    return table


def _what(kept: KeptKey) -> str:
    """What kind of key it is."""
    if kept.file:
        return f"{kept.kind} {kept.file}"
    return "WireGuard, and preshared" if kept.preshared else "WireGuard"


def _age(made: float | None, now: float) -> str:
    from policies.lengths import spoken

    return "-" if made is None else spoken(max(0.0, now - made), 1)


def _remarks(kept: KeptKey, now: float) -> Iterator[str]:
    from policies.lengths import spoken

    if kept.fault:
        yield kept.fault
    if kept.ends is not None:
        left = kept.ends - now
        yield f"ends in {spoken(left, 1)}" if left > 0 else f"ended {spoken(-left, 1)} ago"
    if kept.branch_made_its_own:
        yield "the branch made its own"
    if kept.exchanging_since is not None:
        yield f"being exchanged for {_age(kept.exchanging_since, now)}"
