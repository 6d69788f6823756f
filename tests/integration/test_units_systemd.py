"""The units under a real systemd: users, capabilities, order, restarts, the watchdog, install and uninstall."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from systemd_machine import Machine, why_not

pytestmark = [pytest.mark.integration, pytest.mark.skipif(why_not() is not None, reason=why_not() or "")]

RUNNING = {"ActiveState": "active", "SubState": "running"}
PROCESSES = {
    "forwarder": ("pointsman-forwarder", "0000000000003000", "3"),
    "controller": ("pointsman", "0000000000000000", "1"),
    "exabgp@1": ("pointsman-exabgp", "0000000000000400", "2"),
    "provisioner": ("root", "0000000000003000", "0"),
}
"""User, capabilities (capabilities(7)), real-time priority."""


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with Machine(tmp_path_factory.mktemp("systemd")) as made:
        made.pointsman("install")
        made.says("cp -r /opt/source/config/eight-branches /etc/pointsman && chmod -R a+rX /etc/pointsman")
        made.says(
            "cd /var/lib/pointsman/secrets && printf 'correct,horse' > all.password && chmod 600 all.password && "
            "chown pointsman all.password && "
            "sed -i 's/^  name: hq/  name: hq\\n  session: {password-file: all.password}/; "
            "s/^hub:/security: {management: [10.0.9.0\\/24]}\\nhub:/' /etc/pointsman/network.yaml"
        )
        # No test waits for minutes.
        made.says(
            "mkdir /etc/systemd/system/pointsman-exabgp@.service.d && printf '[Service]\\nWatchdogSec=4s\\n' "
            "> /etc/systemd/system/pointsman-exabgp@.service.d/test.conf && systemctl daemon-reload"
        )
        made.says("systemctl enable pointsman.target && systemctl start pointsman.target")
        for unit in PROCESSES:
            made.until(unit, **RUNNING)
        yield made


def main_pid(machine: Machine, unit: str) -> int:
    return int(machine.show(unit, "MainPID")["MainPID"])


@pytest.mark.parametrize("unit", PROCESSES)
def test_a_process_is_its_own_user_with_its_own_capabilities_only(machine: Machine, unit: str) -> None:
    user, capabilities, priority = PROCESSES[unit]
    pid = main_pid(machine, unit)
    status = dict(
        line.split(":\t", 1) for line in machine.says(f"cat /proc/{pid}/status").splitlines() if ":\t" in line
    )
    assert status["Uid"].split() == [machine.says(f"id -u {user}")] * 4
    assert {status[name] for name in ("CapEff", "CapBnd", "CapPrm")} == {capabilities}
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert machine.show(unit, "CPUSchedulingPolicy", "CPUSchedulingPriority") == {
        "CPUSchedulingPolicy": "2" if priority != "0" else "0",
        "CPUSchedulingPriority": priority,
    }
    if (
        machine.says(f"awk '/realtime priority/ {{ print $4 }}' /proc/{pid}/limits") != "0"
    ):  # else this machine allows no more
        machine.wait(lambda: machine.says(f"chrt -p {pid}").endswith(f": {priority}"), "it has its priority again")


def test_the_controller_decides_and_whoever_is_asked_answers(machine: Machine) -> None:
    _, shown = machine.run("/opt/pointsman/bin/python3 -P -m hub.cli.main status")
    assert "hub hq of kencana, /etc/pointsman" in shown
    machine.wait(
        lambda: "ExaBGP 1 connected" in machine.says("journalctl -u pointsman-controller --no-pager"), "ExaBGP"
    )


def test_exabgp_reads_its_passwords_and_can_reach_nothing_else(machine: Machine) -> None:
    tries = (
        "import os, socket\n"
        "print(len(open('/run/pointsman/exabgp-1.conf').read()) > 100)\n"
        "for name in ('control.sock', 'forwarder.sock'):\n"
        "    try: socket.socket(socket.AF_UNIX).connect('/run/pointsman/' + name)\n"
        "    except PermissionError: print('refused')\n"
        "for name in ('control.sock', 'exabgp-1.conf', 'forwarder.lock'):\n"
        "    try: os.rename('/run/pointsman/' + name, '/run/pointsman/mine')\n"
        "    except PermissionError: print('refused')\n"
        "try: os.listdir('/var/lib/pointsman')\n"
        "except PermissionError: print('refused')\n"
    )
    as_exabgp = "setpriv --reuid pointsman-exabgp --regid pointsman-exabgp --clear-groups"
    assert machine.says(f'{as_exabgp} /usr/bin/python3 -c "{tries}"').split() == ["True", *["refused"] * 6]


def test_other_users_read_no_passwords(machine: Machine) -> None:
    assert machine.run("setpriv --reuid nobody --clear-groups cat /run/pointsman/exabgp-1.conf")[0] != 0


@pytest.mark.parametrize("unit", PROCESSES)
def test_a_process_that_dies_is_back_and_the_others_do_not_notice(machine: Machine, unit: str) -> None:
    before = {each: main_pid(machine, each) for each in PROCESSES}
    restarts = int(machine.show(unit, "NRestarts")["NRestarts"])
    machine.says(f"kill -KILL {before[unit]}")
    machine.until(unit, NRestarts=str(restarts + 1), **RUNNING)
    after = {each: main_pid(machine, each) for each in PROCESSES}
    assert {each for each in PROCESSES if before[each] != after[each]} == {unit}


@pytest.mark.parametrize("unit", ["forwarder", "exabgp@1"])
def test_a_process_that_hangs_is_started_again(machine: Machine, unit: str) -> None:
    restarts = int(machine.show(unit, "NRestarts")["NRestarts"])
    machine.says(f"kill -STOP {main_pid(machine, unit)}")
    machine.until(unit, NRestarts=str(restarts + 1), **RUNNING)


def test_a_process_that_is_well_is_left_alone_by_the_watchdog(machine: Machine) -> None:
    """ExaBGP has nothing to say here: it is asked. Two periods of its watchdog go by."""
    before = machine.show("exabgp@1", "NRestarts", "MainPID")
    began = float(machine.says("cut -d' ' -f1 /proc/uptime"))
    machine.wait(lambda: float(machine.says("cut -d' ' -f1 /proc/uptime")) > began + 9, "time goes by")
    assert machine.show("exabgp@1", "NRestarts", "MainPID") == before


def test_an_exabgp_is_there_for_as_long_as_it_is_configured(machine: Machine) -> None:
    assert machine.show("exabgp@2", "ActiveState") == {"ActiveState": "inactive"}
    machine.says(
        "cd /run/pointsman && sed s/exabgp-1/exabgp-2/ exabgp-1.conf > exabgp-2.new && "
        "sed -i s/179/1179/ exabgp-2.new && chmod 640 exabgp-2.new && mv exabgp-2.new exabgp-2.conf"
    )
    machine.until("exabgp@2", **RUNNING)
    machine.says("rm /run/pointsman/exabgp-2.conf")
    machine.until("exabgp@2", ActiveState="inactive", SubState="dead")


def test_the_configuration_is_read_again_when_asked_to(machine: Machine) -> None:
    pid = main_pid(machine, "controller")
    machine.says("sed -i 's/^network: kencana/network: kencana2/' /etc/pointsman/network.yaml")
    machine.says("systemctl reload pointsman-controller")
    shown = "/opt/pointsman/bin/python3 -P -m hub.cli.main status"
    machine.wait(lambda: "hub hq of kencana2" in machine.run(shown)[1], "the new name")
    assert main_pid(machine, "controller") == pid


TUNNELS = 16
"""Of the example network."""


def wireguard(machine: Machine) -> list[str]:
    return machine.run("pgrep wireguard-go")[1].split()


def test_tunnels_are_made_and_outlive_the_provisioner(machine: Machine) -> None:
    """By wireguard-go, or the kernel's WireGuard where it has that: then there is no process."""
    count = "ip -oneline link show up | grep -c ' wg5'"
    machine.wait(lambda: machine.run(count)[1].strip() == str(TUNNELS), "the tunnels")
    machine.until("provisioner", **RUNNING)
    before = wireguard(machine)
    machine.says("systemctl restart pointsman-provisioner")
    machine.until("provisioner", **RUNNING)
    assert wireguard(machine) == before
    assert machine.run(count)[1].strip() == str(TUNNELS)


def test_the_firewall_is_in_force(machine: Machine) -> None:
    check = "/opt/pointsman/bin/python3 -P -m hub.cli.main firewall check"
    machine.wait(lambda: machine.run(check)[1].startswith("the rules are in force, unchanged"), "the rules")


def test_an_installed_machine_is_not_changed_by_installing_again(machine: Machine) -> None:
    assert machine.pointsman("install") == "everything is in place already"


def test_the_controller_is_stopped_first_and_the_forwarder_last(machine: Machine) -> None:
    machine.says("systemctl stop pointsman.target 'pointsman-*.path' 'pointsman-*.service'")
    stopped = {
        unit: int(machine.show(unit, "InactiveEnterTimestampMonotonic")["InactiveEnterTimestampMonotonic"])
        for unit in PROCESSES
    }
    assert stopped["controller"] < stopped["exabgp@1"] < stopped["forwarder"]
    for unit in PROCESSES:
        assert machine.show(unit, "ActiveState", "Result") == {"ActiveState": "inactive", "Result": "success"}


def test_uninstalled_leaves_the_state_and_purged_leaves_nothing(machine: Machine) -> None:
    machine.says("rm -r /etc/systemd/system/pointsman-exabgp@.service.d")
    assert "11 of 11 files removed" in machine.pointsman("uninstall")
    assert machine.says("ls /etc/systemd/system") == "agent.service\nagent.target"
    assert "controller.db" in machine.says("ls /var/lib/pointsman")
    machine.pointsman("install")
    machine.pointsman("uninstall --purge --yes")
    assert machine.run("ls /var/lib/pointsman")[0] != 0
    assert machine.run("getent passwd pointsman pointsman-forwarder pointsman-exabgp") == (2, "")
