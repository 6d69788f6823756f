"""What is said of the hub's processes, their sockets and ports, whether the hub runs or not."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, ip_address
from typing import Any

import pytest
from doctor_facts import (
    CONTROLLER,
    EXABGP,
    FIBER,
    FORWARDER,
    INTERFACES,
    RUNNING,
    STRANGER,
    WANTED,
    WIRELESS,
    bad,
    kinds,
    machine,
    tcp,
    the_one,
)

from hub.doctor.facts import Account, Listener, PidFile, Process, Unseen

WILDCARD_UDP = Listener("udp", IPv4Address(0), 3784)
BGP, BFD = RUNNING["listeners"][:2], RUNNING["listeners"][2:]


def running(**changes: Any) -> Any:
    return machine(**{**RUNNING, **changes})


def with_process(program: str, process: Process | None) -> tuple[PidFile, ...]:
    return tuple(replace(each, process=process) if each.program == program else each for each in RUNNING["pid_files"])


def test_a_hub_that_runs_well_has_nothing_wrong() -> None:
    assert bad(running()) == []


@pytest.mark.parametrize(
    ("listener", "wrong"),
    [
        (tcp("0.0.0.0", 179, STRANGER), True),
        (tcp("::", 179, STRANGER), True),
        (tcp(str(FIBER.link.hub), 179, STRANGER), True),
        (tcp(str(FIBER.link.hub), 179, None), True),
        (tcp(str(FIBER.link.hub), 179, EXABGP), False),
        (tcp("192.0.2.1", 179, STRANGER), False),
        (tcp("0.0.0.0", 1790, STRANGER), False),
    ],
)
def test_bgps_port_held_by_another_program_before_the_hub_runs(listener: Listener, wrong: bool) -> None:
    assert kinds(bad(machine(listeners=(listener,)))) == [("wrong", "bgp-port")] * wrong


def test_the_program_that_holds_a_port_is_named() -> None:
    assert "is held by bird (pid 99)" in the_one(machine(listeners=(tcp("0.0.0.0", 179, STRANGER),))).text


def test_a_session_that_nobody_listens_for_is_named() -> None:
    finding = the_one(running(listeners=(*BGP[:1], *BFD)))
    assert finding.text == f"nobody listens for bandung/wireless on {WIRELESS.link.hub} port 179"


def test_one_listener_for_all_addresses_is_enough() -> None:
    assert bad(running(listeners=(tcp("::", 179, EXABGP), *BFD))) == []


def test_the_port_is_the_one_that_exabgp_was_given() -> None:
    listeners = (*(tcp(str(each.link.hub), 1790, EXABGP) for each in WANTED.tunnels), *BFD)
    assert (
        bad(
            running(
                bgp_port=1790, listeners=listeners, pid_files=with_process("exabgp", replace(EXABGP, capabilities=0))
            )
        )
        == []
    )


@pytest.mark.parametrize(
    ("owner", "hub", "wrong"),
    [
        (STRANGER, {}, True),
        (None, {}, True),
        (STRANGER, RUNNING, True),
        (None, RUNNING, False),
        (FORWARDER, RUNNING, False),
    ],
)
def test_bfds_port_held_by_another_program(owner: Process | None, hub: dict[str, Any], wrong: bool) -> None:
    listeners = (*BGP, replace(WILDCARD_UDP, owner=owner)) if hub else (replace(WILDCARD_UDP, owner=owner),)
    found = bad(machine(**{**hub, "listeners": listeners}))
    assert kinds(found) == [("wrong", "bfd-port")] * wrong


def test_a_forwarder_that_does_not_hold_bfds_port_hears_nothing() -> None:
    assert kinds(bad(running(listeners=BGP))) == [("wrong", "bfd-port")]


def test_an_ordinary_user_is_told_that_the_owners_cannot_be_seen() -> None:
    hidden = tuple(replace(each, owner=None) for each in RUNNING["listeners"])
    finding = the_one(running(listeners=hidden, account=Account(root=False)))
    assert str(finding) == "ports: not looked at: who holds TCP 179, UDP 3784: needs root"


def test_the_port_of_a_tunnel_that_is_not_there_is_asked_for() -> None:
    taken = Listener("udp", ip_address("0.0.0.0"), FIBER.port, STRANGER)
    assert bad(machine(listeners=(taken,))) == []
    assert ("warning", "tunnel-port") in kinds(bad(machine(listeners=(taken,), interfaces=INTERFACES[3:])))


def test_a_process_that_is_missing_beside_others_is_wrong() -> None:
    finding = the_one(running(pid_files=with_process("controller", None)))
    assert "controller does not run" in finding.text


def test_stale_pid_files_of_a_hub_that_does_not_run_are_a_warning() -> None:
    stale = tuple(replace(each, process=None) for each in RUNNING["pid_files"])
    assert kinds(bad(machine(pid_files=stale))) == [("warning", "pid-file")] * 3


@pytest.mark.parametrize(
    ("state", "found"),
    [
        (None, []),
        ("does not answer", [("wrong", "socket")]),
        (Unseen("needs root, or the group pointsman"), [("not looked at", "socket")]),
    ],
)
def test_a_socket_of_a_running_process(state: Any, found: list[tuple[str, str]]) -> None:
    assert kinds(bad(running(sockets={"forwarder.sock": None, "control.sock": state}))) == found


def test_a_running_process_without_its_socket_is_wrong() -> None:
    assert "control.sock is not there" in the_one(running(sockets={"forwarder.sock": None})).text


def test_the_socket_of_an_exabgp_processs_relay_is_asked_too() -> None:
    second = replace(next(each for each in RUNNING["pid_files"] if each.program == "exabgp"), program="exabgp-2")
    answered = {"forwarder.sock": None, "control.sock": None}
    facts = running(pid_files=(*RUNNING["pid_files"], second), sockets={**answered, "exabgp-2.sock": "does not answer"})
    finding = the_one(facts)
    assert f"exabgp-2 (pid {EXABGP.pid}) runs, and exabgp-2.sock does not answer" in finding.text
    assert f"pkill -9 -P {EXABGP.pid}" in (finding.mend or "")


def test_a_socket_left_behind_by_a_dead_process_is_nothing() -> None:
    assert bad(machine(sockets={"control.sock": "does not answer (Connection refused)"})) == []


@pytest.mark.parametrize(
    ("program", "process", "capabilities", "found"),
    [
        ("forwarder", FORWARDER, 1 << 12, [("wrong", "capability")]),
        ("exabgp", EXABGP, 0, [("wrong", "capability")]),
        ("controller", CONTROLLER, 0, []),
        ("controller", CONTROLLER, 1 << 21, [("warning", "capability")]),
        ("forwarder", FORWARDER, 0x1FFFFFFFFFF, [("warning", "capability")]),
    ],
)
def test_capabilities_of_running_processes(
    program: str, process: Process, capabilities: int, found: list[tuple[str, str]]
) -> None:
    facts = running(pid_files=with_process(program, replace(process, capabilities=capabilities)))
    assert kinds(bad(facts)) == found


@pytest.mark.parametrize(
    ("account", "found"),
    [
        (Account(), []),
        (Account(missing_capabilities=("CAP_NET_RAW",)), [("wrong", "capability")]),
        (Account(root=False, missing_capabilities=("CAP_NET_RAW",), real_time=False), []),
        (Account(real_time=False), [("warning", "real-time")]),
        (Account(open_files=67), [("wrong", "open-files")]),
        (Account(open_files=68), []),
    ],
)
def test_what_this_account_could_give_the_hub(account: Account, found: list[tuple[str, str]]) -> None:
    assert kinds(bad(machine(account=account))) == found


def test_a_process_without_real_time_priority_is_late() -> None:
    facts = running(pid_files=with_process("forwarder", replace(FORWARDER, real_time=False)))
    assert "forwarder (pid 11) without real-time priority" in the_one(facts).text


def test_a_process_that_may_open_too_few_files_is_wrong() -> None:
    facts = running(pid_files=with_process("exabgp", replace(EXABGP, open_files=67)))
    assert "exabgp (pid 12) may open 67 files" in the_one(facts).text


def test_a_hub_in_another_network_namespace_is_said_first_and_not_judged_by_this_one() -> None:
    away = tuple(replace(each, process=replace(each.process, elsewhere=True)) for each in RUNNING["pid_files"])
    assert kinds(bad(running(pid_files=away, listeners=()))) == [("wrong", "namespace")]
