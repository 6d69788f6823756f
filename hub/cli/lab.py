"""`pointsman lab`: a whole network on this machine, to try things and to break them."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hub.cli.exit_status import DONE, NOT_RUNNING, REFUSED, USAGE
from hub.cli.lab_arguments import EXAMPLES, add_target, duration_seconds, loss_share, timers_help
from hub.cli.lab_shell import shell, take_name
from hub.cli.where import lab_option

if TYPE_CHECKING:
    from hub.lab.names import LabPlace
    from hub.lab.record import Lab
    from hub.lab_overrides import LabOverrides
    from policies.model.intent import Intent

_PATIENCE = 20.0
"""Seconds that `up` waits for the sessions."""
_UNTIL_INTERRUPTED = 7 * 86400.0
"""Seconds: nobody probes for longer."""
_SYSTEM_DIRECTORIES = ("/usr/local/sbin", "/usr/sbin", "/sbin")


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `lab` and its own commands."""
    raw = argparse.RawDescriptionHelpFormatter
    lab = subparsers.add_parser(
        "lab", help="a whole network on this machine", epilog=EXAMPLES, formatter_class=raw, description=__doc__
    )
    commands = lab.add_subparsers(dest="lab_command", required=True, metavar="COMMAND")
    _add_up(commands)
    status = _command(commands, "status", "names, addresses, what is cut, and a picture", _status, "status")
    status.add_argument("--json", action="store_true", help="for programs")
    ways = ("cut bandung/fiber", "cut isp:telkom --direction to-hub")
    cut = _command(commands, "cut", "drop every packet of a target, silently", _cut, *ways)
    add_target(cut)
    heal = _command(commands, "heal", "end what a target suffers", _heal, "heal bandung/fiber", "heal all")
    heal.add_argument("target", metavar="TARGET", help="as for cut, or: all")
    _add_degrade(commands)
    _add_probe(commands)
    inside = ("shell bandung", "shell hub -- pointsman status", "shell --name second hub")
    within = _command(commands, "shell", "a shell, or a command, on one of the machines", shell, *inside)
    within.add_argument("node", metavar="NODE", help="hub, hq, bandung, bandung-host, isp:telkom or ix")
    within.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="instead of a shell")
    _command(commands, "demo", "build it, cut, heal, measure, remove it: about a minute", _demo, "demo")
    gone = "remove everything of the lab, also of one that was killed half-way"
    _command(commands, "down", gone, _down, "down", "down --name second")


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    text: str,
    action: Callable[[argparse.Namespace, LabPlace], int],
    *examples: str,
) -> argparse.ArgumentParser:
    epilog = "\n".join(["examples:" if len(examples) > 1 else "example:", *(f"  pointsman lab {e}" for e in examples)])
    raw = argparse.RawDescriptionHelpFormatter
    parser = commands.add_parser(name, help=text, description=text, epilog=epilog, formatter_class=raw)
    parser.add_argument("--name", default="lab", help='which lab (default "lab"); two names are two labs')
    parser.set_defaults(run=run, lab_action=action, lab_usage=parser.format_usage)
    return parser


def _add_up(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    examples = ("up", "up my-network --timers fast --hold 3s", "up --name second")
    up = _command(commands, "up", "build the lab and start the hub in it", _up, *examples)
    up.add_argument("directory", nargs="?", type=Path, help="configuration directory (default: the eight branches)")
    timers = ("fast", "normal", "relaxed", "as-written")
    up.add_argument("--timers", choices=timers, default="as-written", help=timers_help())
    up.add_argument(
        "--hold", type=duration_seconds, metavar="TIME", help="failback hold instead of the written one, as 3s"
    )
    up.add_argument("--no-hub", action="store_true", help="everything but the hub's own processes")


def _add_degrade(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    worse = ("degrade bandung/fiber --loss 5%", "degrade isp:telkom --delay 80ms --jitter 20ms")
    degrade = _command(commands, "degrade", "add loss, delay and jitter to a target", _degrade, *worse)
    add_target(degrade)
    degrade.add_argument("--loss", type=loss_share, default=0.0, metavar="SHARE", help="of packets each way, as 5%%")
    degrade.add_argument("--delay", type=duration_seconds, metavar="TIME", help="each way, as 80ms")
    degrade.add_argument("--jitter", type=duration_seconds, metavar="TIME", help="up to so much more or less, as 20ms")


def _add_probe(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    examples = ("probe bandung bogor --for 10s", "probe --interval 10ms")
    probe = _command(commands, "probe", "send packets both ways and report loss and outages", _probe, *examples)
    probe.add_argument("branches", nargs="*", metavar="BRANCH", help="default: all")
    probe.add_argument(
        "--interval", type=duration_seconds, metavar="TIME", default=duration_seconds("1ms"), help="default: 1ms"
    )
    probe.add_argument("--for", dest="duration", type=duration_seconds, metavar="TIME", help="default: until Ctrl-C")
    probe.add_argument("--json", action="store_true", help="for programs")


def run(args: argparse.Namespace) -> int:
    """Do it; 0 done, 1 refused, 2 usage, 3 no such lab."""
    from hub.lab import names
    from hub.lab.interruption import like_an_interrupt

    os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", ""), *_SYSTEM_DIRECTORIES])
    try:
        if args.lab_action is shell:
            take_name(args)
        with like_an_interrupt():
            return _act(args, names.lab_place(args.name))
    except names.NotUpError as error:
        print(f"pointsman: {error}", file=sys.stderr)
        return NOT_RUNNING
    except names.LabError as error:
        print(f"pointsman: {error}", file=sys.stderr)
        return REFUSED
    except KeyboardInterrupt:
        print("pointsman: interrupted", file=sys.stderr)
        return REFUSED


def _act(args: argparse.Namespace, place: LabPlace) -> int:
    from hub.lab import rootless

    if rootless.needed(os.geteuid()):
        return _outside(args, place)
    action: Callable[[argparse.Namespace, LabPlace], int] = args.lab_action
    return action(args, place)


def _outside(args: argparse.Namespace, place: LabPlace) -> int:
    """An ordinary user's command: inside the lab's own user namespace, or what has to be done from without."""
    from hub.lab import record, rootless

    if args.lab_action is _down:
        return _say_down(place, found=rootless.end(place))
    if args.lab_action is _demo:
        try:
            return rootless.run_this_command(place, create=True)
        finally:
            rootless.end(place)
    create = args.lab_action is _up
    if not create:
        record.load(place)
    return rootless.run_this_command(place, create=create)


def _up(args: argparse.Namespace, place: LabPlace) -> int:
    from hub.lab import build
    from hub.lab.plan import plan
    from hub.lab_overrides import overridden

    _refuse_a_second(place)
    directory = (args.directory or _example()).absolute()
    overrides = _overrides(args)
    network = plan(overridden(_read(directory), overrides))
    tunnels = sum(1 for _ in network.tunnels())
    print(
        f"building    hub, {_count(len(network.branches), 'branch', 'es')}, {_count(len(network.isps), 'ISP')}, "
        f"{_count(tunnels, 'tunnel')} "
        f"from {directory}",
        flush=True,
    )
    started = time.monotonic()
    build.up(network, place, configuration=directory, overrides=overrides, with_hub=not args.no_hub)
    print(f"up          in {time.monotonic() - started:.1f} s; files in {place.directory}", flush=True)
    if not args.no_hub:
        _await_sessions(place)
    print(f"look round: pointsman {'lab status' if args.no_hub else 'status --watch'}{lab_option(place.name)}")
    return DONE


def _count(number: int, what: str, many: str = "s") -> str:
    return f"{number} {what}{'' if number == 1 else many}"


def _await_sessions(place: LabPlace) -> None:
    """So that what is looked at next is there; a lab that takes longer is up all the same."""
    from hub.lab.readiness import wait_until_well

    started = time.monotonic()
    lacking = wait_until_well(place, _PATIENCE)
    if lacking:
        print(f"peering     not all is up yet after {_PATIENCE:.0f} s: {lacking[0]}; watch it come")
    else:
        print(f"peering     all sessions up, every branch on its preferred tunnel: {time.monotonic() - started:.1f} s")


def _refuse_a_second(place: LabPlace) -> None:
    from hub.lab.names import LabError
    from hub.lab.namespaces import existing

    if place.record.exists() and existing(place):
        down = f"pointsman lab down{lab_option(place.name)}"
        raise LabError(f'lab "{place.name}" is up already: "{down}" first, or --name for a second one')


def _example() -> Path:
    import hub

    return Path(hub.__file__).parents[1] / "config" / "eight-branches"


def _read(directory: Path) -> Intent:
    from hub.config import read
    from hub.lab.names import LabError

    configuration = read(directory)
    if configuration.intent is None:
        if not os.path.lexists(directory):
            raise LabError(f"there is no directory {directory}")
        raise LabError(f'the configuration in {directory} has errors: see them with "pointsman check {directory}"')
    return configuration.intent


def _overrides(args: argparse.Namespace) -> LabOverrides:
    from datetime import timedelta

    from hub.lab_overrides import TIMERS, LabOverrides

    hold = None if args.hold is None else timedelta(seconds=args.hold)
    return LabOverrides(TIMERS.get(args.timers), hold)


def _status(args: argparse.Namespace, place: LabPlace) -> int:
    from hub.lab import disturb, record
    from hub.lab.disturbances import summary
    from hub.lab.network import to_json
    from hub.lab.picture import picture

    lab = record.load(place)
    record.check_stands(lab)
    present = disturb.present(place)
    hub = "runs" if (place.run / "control.sock").is_socket() else "does not run"
    if args.json:
        print(json.dumps({**_facts(lab), "disturbed": summary(present), "network": to_json(lab.network)}, indent=1))
        return DONE
    kind = "the kernel's WireGuard" if lab.kernel_wireguard else "wireguard-go"
    tunnels = sum(1 for _ in lab.network.tunnels())
    print(f'lab "{place.name}" is up: {tunnels} tunnels by {kind}; the hub {hub}')
    print(f"configuration {lab.configuration}\nfiles         {place.directory}")
    print(f"disturbed     {'; '.join(summary(present)) or 'nothing'}\n")
    print(picture(lab.network, present), end="")
    return DONE


def _facts(lab: Lab) -> dict[str, Any]:
    return {
        "name": lab.place.name,
        "configuration": str(lab.configuration),
        "directory": str(lab.place.directory),
        "kernel_wireguard": lab.kernel_wireguard,
        "namespaces": {node: lab.place.namespace(node) for node in lab.network.nodes()},
    }


def _cut(args: argparse.Namespace, place: LabPlace) -> int:
    from hub.lab import disturb, record
    from hub.lab.disturbances import Direction

    disturb.cut(record.load(place), args.target, Direction(args.direction))
    return _say_disturbed(place)


def _degrade(args: argparse.Namespace, place: LabPlace) -> int:
    from hub.lab import disturb, record
    from hub.lab.disturbances import Direction

    delay, jitter = args.delay or 0.0, args.jitter or 0.0
    if not (args.loss or delay or jitter):
        return _usage(args, "say what to add: --loss 5%, --delay 80ms or --jitter 20ms")
    disturb.disturb(
        record.load(place),
        args.target,
        Direction(args.direction),
        loss=args.loss,
        delay_ms=delay * 1000,
        jitter_ms=jitter * 1000,
    )
    return _say_disturbed(place)


def _usage(args: argparse.Namespace, text: str) -> int:
    print(f"{args.lab_usage()}pointsman: {text}", file=sys.stderr)
    return USAGE


def _heal(args: argparse.Namespace, place: LabPlace) -> int:
    from hub.lab import disturb, record

    if not disturb.heal(record.load(place), args.target):
        if args.target == "all":
            print("nothing was disturbed")
            return DONE
        print(f"{args.target} was not disturbed")
    return _say_disturbed(place)


def _say_disturbed(place: LabPlace) -> int:
    from hub.lab import disturb
    from hub.lab.disturbances import summary

    print("\n".join(summary(disturb.present(place))) or "nothing is disturbed")
    return DONE


def _probe(args: argparse.Namespace, place: LabPlace) -> int:
    from hub.lab import record
    from hub.lab.probe import Probe
    from hub.lab.report import probe_json, probe_text

    lab = record.load(place)
    _check_branches(lab, args.branches)
    if args.interval <= 0:
        return _usage(args, "--interval must be more than 0, for example 1ms")
    probe = Probe()
    probe.start(lab, args.branches, args.interval)
    try:
        time.sleep(args.duration if args.duration is not None else _UNTIL_INTERRUPTED)
    except KeyboardInterrupt:
        print(file=sys.stderr)
    reports = probe.stop()
    if args.json:
        print(json.dumps(probe_json(reports, started=probe.started), indent=1))
    else:
        print(probe_text(reports, started=probe.started, interval_ms=args.interval * 1000), end="")
    return DONE


def _check_branches(lab: Lab, written: Iterable[str]) -> None:
    from hub.lab.disturbances import meant
    from hub.lab.names import LabError

    names = [branch.name for branch in lab.network.branches]
    for name in written:
        if name not in names:
            there = f"{meant(name, names)}the branches are {', '.join(names)}"
            raise LabError(f'"{name}" is no branch of this lab: {there}')


def _demo(_args: argparse.Namespace, place: LabPlace) -> int:
    from hub.cli.render_status import status_view
    from hub.cli.screen import show
    from hub.lab import demo

    directory = _example()
    worked = demo.run(
        place,
        directory,
        _read(directory),
        lambda line: print(line, flush=True),
        lambda report: show(status_view(report, place.name)),
    )
    if worked:
        print(f"look round: {_called()} lab up, then {_called()} status --watch")
    return DONE if worked else REFUSED


def _called() -> str:
    """How this shell can call the program: `scripts/demo` is run by people who have not put it on their PATH."""
    if shutil.which("pointsman"):
        return "pointsman"
    return os.path.relpath(Path(sys.executable).with_name("pointsman"))


def _down(_: argparse.Namespace, place: LabPlace) -> int:
    from hub.lab import build

    return _say_down(place, found=build.down(place))


def _say_down(place: LabPlace, *, found: bool) -> int:
    from hub.lab.names import LabError, another_users

    if not found and (whose := another_users(place)) is not None:
        raise LabError(whose)
    print(f'lab "{place.name}" is gone' if found else f'there was no lab "{place.name}"')
    return DONE
