"""`pointsman keys forget`: keys with which no tunnel is made any more are removed."""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import TYPE_CHECKING

from hub.cli.asking import say_fault
from hub.cli.exit_status import DONE, REFUSED
from hub.cli.keys_where import KeysWhere, add_where, keys_where
from hub.cli.saying import line

if TYPE_CHECKING:
    from hub.provisioner.keys.store import KeyStore

_EPILOG = """\
examples:
  pointsman keys forget malang               of all tunnels of the branch, after it was removed
  pointsman keys forget malang/wireless

Keys of a tunnel that by the files is made with them, or that still is, are kept; one that has become IPsec, or is
adopted (existing:), has no use for its own. Should the tunnel come back to WireGuard, it gets others. Run it as root.

exit status: 0 done, 1 refused (nothing was removed), 2 usage
"""


class _KeptError(Exception):
    """The keys stay; the text says why, `mend` what to do."""

    def __init__(self, text: str, mend: str) -> None:
        super().__init__(text)
        self.mend = mend


def add_forget(parts: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `forget` below `keys`."""
    parser = parts.add_parser(
        "forget",
        help="remove the keys of tunnels that are made with them no more",
        description="Removes WireGuard keys with which no tunnel is made any more, nor is to be by the files.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("target", metavar="TARGET", help="malang/fiber, or malang for all of its tunnels")
    parser.add_argument("--json", action="store_true", help="print the data instead")
    add_where(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Forget them."""
    from hub.control.lock import AlreadyRunningError, hold
    from hub.provisioner.changes import ProvisionError
    from hub.provisioner.keys.store import KeyStore

    where = keys_where(options)
    store = KeyStore(where.places.keys)
    try:
        tunnels = _tunnels(store, options.target, where)
        descriptor = hold(where.places.provisioner_lock, "another change of tunnels")
        try:
            _unwanted(tunnels, where, options.target)
            forgotten = [tunnel for tunnel in tunnels if store.forget(tunnel)]
        finally:
            os.close(descriptor)
    except (_KeptError, ProvisionError) as error:
        return say_fault(options, str(error), error.mend)
    except (AlreadyRunningError, OSError) as error:
        print(f"pointsman: {error}\n    mend: be root, and say it again", file=sys.stderr)
        return REFUSED
    if options.json:
        print(json.dumps({"forgotten": forgotten}, indent=2))
    else:
        for tunnel in forgotten:
            print(line("forgotten", f"the keys of {tunnel}"))
    return DONE


def _tunnels(store: KeyStore, target: str, where: KeysWhere) -> tuple[str, ...]:
    """Those of this name that have keys."""
    from hub.provisioner.kept_keys import may_look

    places = where.places
    if not where.is_state_known:
        raise _KeptError(f"{places.run} does not say where the keys of its hub are", "name it: --state-dir DIR")
    if not may_look(places.state, places.keys):
        raise _KeptError(f"you may not look into {places.keys}", "repeat this with sudo")
    found = tuple(tunnel for tunnel in store.tunnels() if target in (tunnel, tunnel.partition("/")[0]))
    if not found:
        raise _KeptError(f"{places.keys} has no keys of {target}", "pointsman keys list names all that are there")
    return found


def _unwanted(tunnels: tuple[str, ...], where: KeysWhere, target: str) -> None:
    """That none of these is to be made with keys by the files, or is made so by the provisioner.

    Raises:
        _KeptError: one is still there, or the files cannot tell.
    """
    from hub.config import read
    from hub.config.load import load
    from hub.config.resolve import survey
    from hub.provisioner.remembered import Remembered

    directory = where.config
    if read(directory).intent is None:
        text = "the configuration cannot be used, so that nobody knows which tunnels are gone"
        raise _KeptError(text, f"pointsman check {directory}")
    remembered = Remembered(where.places.provisioner_state)
    if (problem := remembered.read()) is not None:
        raise _KeptError(problem, "once that is mended, whoever is still made is known again")
    made = set() if remembered.wanted is None else {each.tunnel for each in remembered.wanted.wireguard}
    # Those of branches that are off too; an adopted one, or one of IPsec, has no use for keys.
    drafts = [each for each in survey(load(directory)).tunnels() if each.written.existing is None]
    written = {str(each.id) for each in drafts if each.written.transport == "wireguard"}
    for tunnel in tunnels:
        if tunnel in written:
            free = [each for each in tunnels if each not in written]
            raise _KeptError(f"{tunnel} is in {directory}, and made with its keys", _mend(target, tunnel, free))
        if tunnel in made:
            raise _KeptError(f"{tunnel} is still made by the provisioner", "pointsman apply, which removes it first")


def _mend(target: str, tunnel: str, free: list[str]) -> str:
    """What to do instead: a branch is removed only by who named all of it, and only if all of it has such keys."""
    branch = tunnel.partition("/")[0]
    if target == tunnel:
        return f"for other keys: pointsman keys rotate {tunnel}; if it is to go: take it out of branches/{branch}.yaml"
    if free:
        return f"name the one that is made without: pointsman keys forget {free[0]}"
    return f"if all of the branch is to go: pointsman branch remove {branch}"
