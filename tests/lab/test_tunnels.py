"""The tunnels themselves, as the hub makes them: traffic is the judge of all that is done to them while it flows.

bandung has WireGuard by one ISP and IPsec by the other, tegal WireGuard by both.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lab_world import output
from mixed_branches import Site, write
from patient_policy import judged_patiently
from running_hub import RunningHub, kill, running_hub

from hub.control.client import ask_controller
from hub.lab.hub_processes import pointsman_command
from hub.lab.namespaces import inside
from hub.lab.network import HUB
from hub.lab.outages import Direction
from hub.lab.strongswan import swanctl_command

pytestmark = [pytest.mark.lab, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]

SITES = (Site("bandung", "bird", ipsec=True), Site("tegal", "bird"))
CONNECTION = "pointsman-matrix.bandung.wireless"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    configuration = judged_patiently(write(tmp_path_factory.mktemp("tunnels") / "config", *SITES, both=False))
    with running_hub("tunnels", configuration, timers="relaxed") as built:
        yield built


def told(hub: RunningHub) -> dict[str, Any]:
    """What the provisioner says of all tunnels."""
    return ask_controller(hub.lab.place.run / "provisioner.sock", {"ask": "status"}, 20)


def pointsman(hub: RunningHub, *arguments: str) -> str:
    command = [*pointsman_command(), *arguments, "--run-dir", str(hub.lab.place.run)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def at_branch(hub: RunningHub, branch: str, *command: str) -> str:
    """A command to be run at a branch, as one line of shell."""
    return shlex.join(inside(hub.lab.place, branch, list(command)))


def nothing_lost(*ways: Direction) -> None:
    assert [way.outages for way in ways if way.lost] == []


def test_the_hub_has_made_its_ends_and_says_what_they_are_made_of(hub: RunningHub) -> None:
    report = told(hub)
    assert not report["refused"] and not report["failed"]
    tunnels = {name: facts for name, facts in report["targets"].items() if "interface" in facts}
    assert sorted(tunnels) == ["bandung/fiber", "bandung/wireless", "tegal/fiber", "tegal/wireless"]
    assert tunnels["bandung/wireless"]["ipsec"]["child"]["state"] == "installed"
    assert tunnels["bandung/fiber"]["handshake_age"] is not None
    assert {facts["uplink"] for facts in tunnels.values()} == {"telkom", "biznet"}


def test_new_keys_at_both_ends_lose_nothing(hub: RunningHub) -> None:
    before = told(hub)["targets"]["tegal/fiber"]["public_key"]
    hub.wait_until_well()
    with hub.probing("tegal") as probe:
        push = at_branch(hub, "tegal", "wg", "syncconf", "fiber", "/dev/stdin")
        pointsman(hub, "keys", "rotate", "tegal/fiber", "--plain", "--push-with", push)
        hub.wait_until_well()
        seen = probe.report()["tegal"]
    nothing_lost(seen.to_branch, seen.to_hub)
    assert told(hub)["targets"]["tegal/fiber"]["public_key"] != before


def test_new_keys_that_the_branch_never_gets_are_taken_back_and_lose_nothing(hub: RunningHub) -> None:
    before = told(hub)["targets"]["tegal/fiber"]["public_key"]
    hub.wait_until_well()
    command = [
        *pointsman_command(),
        "keys",
        "rotate",
        "tegal/fiber",
        "--push-with",
        "cat >/dev/null",
        "--timeout",
        "8s",
    ]
    with hub.probing("tegal") as probe:
        done = subprocess.run([*command, "--run-dir", str(hub.lab.place.run)], capture_output=True, text=True)
        hub.wait_until_well()
        seen = probe.report()["tegal"]
    nothing_lost(seen.to_branch, seen.to_hub)
    assert done.returncode == 1, done.stdout + done.stderr
    assert told(hub)["targets"]["tegal/fiber"]["public_key"] == before


def test_a_new_secret_at_both_ends_of_an_ipsec_tunnel_loses_nothing(hub: RunningHub) -> None:
    directory = hub.lab.place.strongswan("bandung")
    (text,) = (file for file in (directory / "swanctl").rglob("*.conf") if "secrets" in file.read_text())
    secret = hub.lab.place.state / "secrets" / "bandung-wireless.psk"
    before = secret.read_text()
    hub.wait_until_well()

    def told_to(*arguments: str) -> str:
        return at_branch(hub, "bandung", *swanctl_command(directory, *arguments))

    # The lab's text says from which address; the files do not, so only the secret is taken over.
    push = (
        f"new=$(sed -n 's/^ *secret = //p') && sed -i \"s|secret = .*|secret = $new|\" {text} && "
        f"{told_to('--load-creds', '--noprompt', '--clear')} && "
        f"{{ {told_to('--initiate', '--child', 'pointsman-bandung-wireless', '--timeout', '20')} || true; }}"
    )
    with hub.probing("bandung") as probe:
        pointsman(hub, "keys", "rotate", "bandung/wireless", "--plain", "--push-with", push)
        pointsman(hub, "drain", "bandung/fiber")
        hub.wait_until_on("bandung", "wireless")
        pointsman(hub, "undrain", "bandung/fiber")
        hub.wait_until_well()
        seen = probe.report()["bandung"]
    assert secret.read_text() != before
    nothing_lost(seen.to_branch, seen.to_hub)


@pytest.mark.parametrize("what", ["ike", "child"])
def test_rekeying_while_it_carries_loses_nothing(hub: RunningHub, what: str) -> None:
    hub.wait_until_well()
    pointsman(hub, "drain", "bandung/fiber")
    hub.wait_until_on("bandung", "wireless")
    before = told(hub)["targets"]["bandung/wireless"]["ipsec"]
    with hub.probing("bandung") as probe:
        command = swanctl_command(hub.lab.place.strongswan(HUB), "--rekey", f"--{what}", CONNECTION)
        output(hub.lab, HUB, *command)
        hub.wait_for(lambda _: _since(hub, what) > _when(before, what), "the new keys")
        seen = probe.report()["bandung"]
    pointsman(hub, "undrain", "bandung/fiber")
    nothing_lost(seen.to_branch, seen.to_hub)


def _since(hub: RunningHub, what: str) -> float:
    return _when(told(hub)["targets"]["bandung/wireless"]["ipsec"], what)


def _when(sa: dict[str, Any], what: str) -> float:
    """When the SA's keys were made, to the second; 0 while there is none."""
    of = sa if what == "ike" else sa["child"]
    return 0.0 if of is None or of["since"] is None else of["since"] + 0.5


@pytest.mark.parametrize("process", ["provisioner", "controller", "exabgp-1", "forwarder"])
def test_a_process_that_is_killed_and_started_again_loses_nothing(hub: RunningHub, process: str) -> None:
    hub.wait_until_well()
    before = hub.pid(process)
    with hub.probing("bandung", "tegal") as probe:
        kill(before)
        hub.wait_for(lambda _: hub.pid(process) != before, f"{process} again")
        hub.wait_until_well()
        seen = probe.report()
    nothing_lost(*(way for each in seen.values() for way in (each.to_branch, each.to_hub)))


def test_a_branch_that_comes_and_goes_disturbs_nobody_and_leaves_nothing(hub: RunningHub) -> None:
    directory = Path(hub.lab.configuration)
    hub.wait_until_well()
    with hub.probing("bandung", "tegal") as probe:
        (directory / "branches" / "malang.yaml").write_text(
            "as: 65009\nprefixes: [10.9.0.0/24]\nuplinks:\n  fiber: {isp: telkom}\n  wireless: {isp: indosat}\n"
            "tunnels:\n  wireless: {transport: ipsec, inner: vxlan}\n"
        )
        subprocess.run([*pointsman_command(), "allocate", str(directory)], check=True, capture_output=True)
        (hub.lab.place.state / "secrets" / "malang-wireless.psk").write_text(
            "not-a-secret-but-long-enough-for-a-test\n"
        )
        (hub.lab.place.state / "secrets" / "malang-wireless.psk").chmod(0o600)
        assert "malang/fiber" in pointsman(hub, "plan")
        pointsman(hub, "apply")
        made = told(hub)["targets"]
        (directory / "branches" / "malang.yaml").unlink()
        pointsman(hub, "apply")
        seen = probe.report()
    assert made["malang/fiber"]["made_by"] in ("kernel", "wireguard-go")
    assert made["malang/wireless"]["ipsec"]["state"] == "down"
    assert not any(name.startswith("malang") for name in told(hub)["targets"])
    assert "malang" not in output(hub.lab, HUB, "ip", "link")
    assert "malang" not in output(hub.lab, HUB, *swanctl_command(hub.lab.place.strongswan(HUB), "--list-conns"))
    nothing_lost(*(way for each in seen.values() for way in (each.to_branch, each.to_hub)))


def test_a_tunnel_that_gets_another_transport_is_left_first_and_returns_with_the_keys_it_had(hub: RunningHub) -> None:
    directory = Path(hub.lab.configuration)
    file = directory / "branches" / "tegal.yaml"
    before, key = file.read_text(), told(hub)["targets"]["tegal/fiber"]["public_key"]
    secret = hub.lab.place.state / "secrets" / "tegal-fiber.psk"
    secret.write_text("not-a-secret-but-long-enough-for-a-test\n")
    secret.chmod(0o600)
    hub.wait_until_well()
    with hub.probing("tegal") as probe:
        file.write_text(f"{before}tunnels:\n  fiber: {{transport: ipsec, inner: vxlan}}\n")
        subprocess.run([*pointsman_command(), "allocate", str(directory)], check=True, capture_output=True)
        pointsman(hub, "apply")
        hub.wait_until_on("tegal", "wireless")
        other = told(hub)["targets"]["tegal/fiber"]
        file.write_text(before)
        pointsman(hub, "apply")
        hub.wait_until_well()
        seen = probe.report()["tegal"]
    assert (other["ipsec"]["state"], other.get("public_key")) == ("down", None)
    assert told(hub)["targets"]["tegal/fiber"]["public_key"] == key
    nothing_lost(seen.to_branch, seen.to_hub)


def test_applying_what_is_there_already_changes_nothing(hub: RunningHub) -> None:
    assert "nothing would change" in pointsman(hub, "plan", "--only", "tunnels")


def test_an_interface_that_somebody_removed_is_made_again(hub: RunningHub) -> None:
    name = told(hub)["targets"]["tegal/wireless"]["interface"]
    hub.wait_until_well()
    output(hub.lab, HUB, "ip", "link", "delete", name)
    hub.wait_for(lambda _: told(hub)["targets"]["tegal/wireless"].get("up") is True, "the interface")
    hub.wait_until_well()
