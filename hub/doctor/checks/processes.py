"""Are the hub's processes there, do they answer, and may they do what they have to?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hub.doctor.checks.sessions import OUR_MODULES
from hub.doctor.facts import Facts, PidFile, Process, Unseen, Wanted
from hub.doctor.findings import Finding, fine, unseen, warning, wrong
from hub.forwarder.checks import FORWARDER_NEEDS

PLACE = "processes"
NET_BIND_SERVICE = 10
"""Bit of capabilities(7)."""
_LAST_PRIVILEGED_PORT = 1023
_FILES_BESIDE = 64
_FILES_A_TUNNEL = 2
"""A listening socket and a session, or a sender and a probe."""


def pid_files(facts: Facts, _wanted: Wanted) -> Iterator[Finding]:
    """Processes that should be there and are not."""
    alive = [each for each in facts.pid_files if each.process is not None]
    for each in facts.pid_files:
        if each.process is None:
            number = "holds no process id" if each.pid is None else f"names process {each.pid}, which is not it"
            text, mend = f"{each.program}.pid {number}: {each.program} does not run", "start it: pointsman run"
            yield wrong(PLACE, "pid-file", text, mend) if alive else warning(PLACE, "pid-file", text, mend)
    if alive and len(alive) == len(facts.pid_files):
        yield fine(PLACE, "pid-file", f"{', '.join(str(each.program) for each in alive)} run")
    if not facts.hub_runs and not facts.pid_files:
        yield fine(PLACE, "pid-file", "no hub runs here")


def namespaces(facts: Facts, _wanted: Wanted) -> Iterator[Finding]:
    """A hub that runs in another network namespace than the one that was looked at."""
    away = [str(each) for each in facts.pid_files if each.process and each.process.elsewhere]
    if away:
        text = f"{', '.join(away)} run in another network namespace: what is said here is of this one"
        mend = "ask there: ip netns exec NAME pointsman doctor, or with pointsman lab shell hub"
        yield wrong(PLACE, "namespace", text, mend)


def sockets(facts: Facts, _wanted: Wanted) -> Iterator[Finding]:
    """Sockets at which nobody answers although the process runs."""
    owners = {"forwarder.sock": "forwarder", "control.sock": "controller"}
    owners |= {f"{each.program}.sock": each.program for each in facts.pid_files if each.program.startswith("exabgp-")}
    for name, program in owners.items():
        process = facts.running(program)
        state = facts.sockets.get(name, "is not there")
        if isinstance(state, Unseen):
            yield unseen(PLACE, "socket", name, state.why)
        elif state is None:
            yield fine(PLACE, "socket", f"{name} is answered at")
        elif process is not None:
            text = f"{program} (pid {process.pid}) runs, and {name} {state}"
            yield wrong(PLACE, "socket", text, f"look at its log; {_if_it_hangs(program, process)}")


def _if_it_hangs(program: str, process: Process) -> str:
    if program.startswith("exabgp"):
        # Its only child. Sessions are ExaBGP's own.
        return f"if its relay hangs, pkill -9 -P {process.pid}: it is started again, and no session notices"
    return f"if it hangs, kill -9 {process.pid}: it is started again"


def capabilities(facts: Facts, _wanted: Wanted) -> Iterator[Finding]:
    """Capabilities that a process lacks, or has and does not need."""
    alive = [each for each in facts.pid_files if each.process is not None]
    for each in alive:
        yield from _capabilities(each, facts.bgp_port)
    if not alive and facts.account.root and facts.account.missing_capabilities:
        text = f"root has no {', '.join(facts.account.missing_capabilities)} here: the hub cannot run"
        yield wrong(PLACE, "capability", text, "give them to this container or service")


def _capabilities(each: PidFile, bgp_port: int) -> Iterator[Finding]:
    if each.process is None:
        return
    needed = needs(each.program, bgp_port)
    held = each.process.capabilities
    missing = [name for name, bit in needed.items() if not held >> bit & 1]
    more = held & ~sum(1 << bit for bit in needed.values())
    if missing:
        text, mend = f"{each} lacks {', '.join(missing)}", "start it as root, or by its systemd unit"
        yield wrong(PLACE, "capability", text, mend)
    elif more:
        text = f"{each} has {more.bit_count()} capabilities that it does not need"
        yield warning(PLACE, "capability", text, 'start it by "pointsman run" with setpriv there, or by systemd')
    else:
        yield fine(PLACE, "capability", f"{each} may do what it needs, and no more")


def needs(program: str, bgp_port: int) -> Mapping[str, int]:
    """The capabilities that a program of the hub needs, to their bits."""
    if program == "forwarder":
        return FORWARDER_NEEDS
    if program.startswith("exabgp") and bgp_port <= _LAST_PRIVILEGED_PORT:
        return {"CAP_NET_BIND_SERVICE": NET_BIND_SERVICE}
    return {}


def real_time(facts: Facts, _wanted: Wanted) -> Iterator[Finding]:
    """Real-time priority, without which a busy machine finds a dead tunnel late."""
    without = [str(each) for each in facts.pid_files if each.process and not each.process.real_time]
    mend = "give the hub CAP_SYS_NICE (systemd: LimitRTPRIO=10)"
    if without:
        text = f"{', '.join(without)} without real-time priority: late when the machine is busy"
        yield warning(PLACE, "real-time", text, mend)
    elif not facts.hub_runs and facts.account.root and not facts.account.real_time:
        text = "real-time priority is not to be had: what the hub does is late when the machine is busy"
        yield warning(PLACE, "real-time", text, mend)


def open_files(facts: Facts, wanted: Wanted) -> Iterator[Finding]:
    """File descriptors, which many tunnels need many of."""
    known = {str(each): each.process.open_files for each in facts.pid_files if each.process}
    limits = known or {"this shell": facts.account.open_files}
    needed = _FILES_A_TUNNEL * len(wanted.tunnels) + _FILES_BESIDE
    for who, limit in limits.items():
        if limit is not None and limit < needed:
            text = f"{who} may open {limit} files, and {len(wanted.tunnels)} tunnels need some {needed}"
            yield wrong(PLACE, "open-files", text, f"ulimit -Hn {2 * needed} (systemd: LimitNOFILE={2 * needed})")


def is_ours(program: str, command: str) -> bool:
    """Whether a command line is that of the program that its pid file names."""
    module = OUR_MODULES.get(program.split("-")[0])
    return module is None or module in command
