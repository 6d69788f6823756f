"""The kernel's settings: which are wanted, what is remembered of them, and that they are put back."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hub.provisioner.changes import ProvisionError
from hub.provisioner.sysctls.backend import Sysctls
from hub.provisioner.sysctls.plan import dotted, settings
from hub.provisioner.wanted import NOTHING, Wanted, WantedExisting, WantedUplink, WantedWireGuard

TUNNEL = WantedWireGuard(
    "bandung/fiber", "wg-b.f", ("10.255.0.0/31",), 1420, "telkom", 9, 51001, (), None, 0, preshared=False
)
SIX = replace(TUNNEL, addresses=("10.255.0.0/31", "fd00::/127"))
UPLINK = WantedUplink("telkom", "telkom", "eth0", "198.51.100.1", None, 9)
WANTED = replace(NOTHING, uplinks=(UPLINK,), wireguard=(TUNNEL,))
WANTED6 = replace(WANTED, wireguard=(SIX,), ipv6=True)
FINE = {
    "net/ipv4/ip_forward": "1",
    "net/ipv4/conf/all/rp_filter": "0",
    "net/ipv4/conf/default/rp_filter": "0",
    "net/ipv4/conf/wg-b.f/rp_filter": "0",
    "net/ipv4/conf/eth0/rp_filter": "0",
    "net/ipv6/conf/all/forwarding": "1",
    "net/ipv6/conf/eth0/accept_ra": "0",
    "net/ipv6/conf/wg-b.f/disable_ipv6": "0",
}
ALL, OWN, UPLINKS = (f"net/ipv4/conf/{name}/rp_filter" for name in ("all", "wg-b.f", "eth0"))


@pytest.mark.parametrize(
    ("wanted", "differs", "found"),
    [
        (WANTED, {}, []),
        (WANTED, {"net/ipv4/ip_forward": "0"}, ["net.ipv4.ip_forward=1"]),
        (replace(NOTHING, existing=(WantedExisting("solo/old", "wg-solo"),)), {"net/ipv4/ip_forward": "0"}, [
            "net.ipv4.ip_forward=1"
        ]),
        (NOTHING, {"net/ipv4/ip_forward": "0"}, []),
        (WANTED, {"net/ipv6/conf/all/forwarding": "0"}, []),
        (WANTED6, {"net/ipv6/conf/all/forwarding": "0"}, ["net.ipv6.conf.all.forwarding=1"]),
        (WANTED6, {"net/ipv6/conf/all/forwarding": "0", "net/ipv6/conf/eth0/accept_ra": "1"}, [
            "net.ipv6.conf.eth0.accept_ra=2", "net.ipv6.conf.all.forwarding=1"
        ]),
        (WANTED, {ALL: "1"}, ["net.ipv4.conf.wg-b/f.rp_filter=2", "net.ipv4.conf.eth0.rp_filter=2"]),
        (WANTED, {ALL: "1", OWN: "2", UPLINKS: "2"}, []),
        (WANTED, {ALL: "2", OWN: "1"}, []),
        (WANTED, {OWN: "1"}, ["net.ipv4.conf.wg-b/f.rp_filter=2"]),
        (WANTED, {UPLINKS: "1"}, ["net.ipv4.conf.eth0.rp_filter=2"]),
        (replace(WANTED, uplinks=(replace(UPLINK, gateway=None),)), {UPLINKS: "1"}, []),
        (WANTED, {OWN: None, "net/ipv4/conf/default/rp_filter": "1"}, ["net.ipv4.conf.wg-b/f.rp_filter=2"]),
        (WANTED, {UPLINKS: None, "net/ipv4/conf/default/rp_filter": "1"}, []),
        (WANTED, {"net/ipv6/conf/wg-b.f/disable_ipv6": "1"}, []),
        (WANTED6, {"net/ipv6/conf/wg-b.f/disable_ipv6": "1"}, ["net.ipv6.conf.wg-b/f.disable_ipv6=0"]),
    ],
)  # fmt: skip
def test_only_what_is_needed_is_set(wanted: Wanted, differs: dict[str, str | None], found: list[str]) -> None:
    there = {**FINE, **differs}
    assert [str(each) for each in settings(wanted, there.get)] == found


def test_an_interface_s_dot_is_written_as_sysctl_takes_it() -> None:
    assert dotted("net/ipv4/conf/eth0.100/rp_filter") == "net.ipv4.conf.eth0/100.rp_filter"


@pytest.fixture
def machine(tmp_path: Path) -> tuple[Sysctls, Path]:
    root = tmp_path / "sys"
    for name, value in FINE.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"{value}\n")
    return Sysctls(tmp_path, root), root


def apply(sysctls: Sysctls, wanted: Wanted) -> list[str]:
    changes = sysctls.plan(wanted).changes
    for change in changes:
        sysctls.do(change)
    return [change.text for change in changes]


def test_a_second_apply_has_nothing_to_do(machine: tuple[Sysctls, Path]) -> None:
    sysctls, root = machine
    (root / "net/ipv4/ip_forward").write_text("0\n")
    assert apply(sysctls, WANTED) == ["set net.ipv4.ip_forward=1: nothing goes from the headquarters to a branch"]
    assert (root / "net/ipv4/ip_forward").read_text() == "1\n"
    assert apply(sysctls, WANTED) == []


def test_drift_is_found_and_repaired_and_what_it_was_at_first_stays_remembered(machine: tuple[Sysctls, Path]) -> None:
    sysctls, root = machine
    (root / UPLINKS).write_text("1\n")
    apply(sysctls, WANTED)
    (root / ALL).write_text("1\n")
    (root / UPLINKS).write_text("0\n")
    assert [(found.target, found.repaired) for found in sysctls.verify(WANTED)] == [
        ("bandung/fiber", True),
        ("uplink telkom", True),
    ]
    assert sysctls.verify(WANTED) == []
    assert sysctls.put_back() == ("net.ipv4.conf.eth0.rp_filter=1",)
    assert (root / UPLINKS).read_text() == "1\n"


def test_what_is_no_longer_wanted_is_put_back_at_the_end(machine: tuple[Sysctls, Path]) -> None:
    sysctls, root = machine
    (root / "net/ipv6/conf/all/forwarding").write_text("0\n")
    apply(sysctls, WANTED6)
    (change,) = sysctls.plan(WANTED).changes
    assert change.removes
    sysctls.do(change)
    assert (root / "net/ipv6/conf/all/forwarding").read_text() == "0\n"
    assert sysctls.plan(WANTED).changes == ()


def test_what_somebody_has_changed_since_is_not_put_back(machine: tuple[Sysctls, Path]) -> None:
    sysctls, root = machine
    (root / UPLINKS).write_text("1\n")
    apply(sysctls, WANTED)
    (root / UPLINKS).write_text("0\n")
    assert sysctls.plan(NOTHING).changes == ()
    assert sysctls.put_back() == ()
    assert (root / UPLINKS).read_text() == "0\n"


def test_one_setting_that_cannot_be_put_back_keeps_no_other_one(
    machine: tuple[Sysctls, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    sysctls, root = machine
    for name in ("net/ipv4/ip_forward", UPLINKS):
        (root / name).write_text("0\n" if "forward" in name else "1\n")
    apply(sysctls, WANTED)
    real = Path.write_text

    def refused(path: Path, *arguments: Any, **named: Any) -> int:
        if path == root / UPLINKS:
            raise PermissionError(1, "Operation not permitted", str(path))
        return real(path, *arguments, **named)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_text", refused)
        with pytest.raises(ProvisionError, match="rp_filter cannot be set") as found:
            sysctls.put_back()
    assert found.value.mend == "as root: sysctl -w net.ipv4.conf.eth0.rp_filter=1"
    assert (root / "net/ipv4/ip_forward").read_text() == "0\n"
    assert sysctls.put_back() == ("net.ipv4.conf.eth0.rp_filter=1",)


def test_a_tunnel_s_own_setting_goes_with_it_and_is_not_remembered(
    machine: tuple[Sysctls, Path], tmp_path: Path
) -> None:
    sysctls, root = machine
    (root / OWN).write_text("1\n")
    apply(sysctls, WANTED)
    assert (root / OWN).read_text() == "2\n"
    assert not (tmp_path / "sysctls.json").exists()


def test_a_tunnel_that_could_not_be_made_fails_nothing_else(machine: tuple[Sysctls, Path]) -> None:
    sysctls, root = machine
    (root / OWN).unlink()
    (root / "net/ipv4/conf/default/rp_filter").write_text("1\n")
    assert len(apply(sysctls, WANTED)) == 1
    assert not (root / OWN).exists()


def test_a_memory_that_cannot_be_read_is_an_error_with_its_mend(machine: tuple[Sysctls, Path], tmp_path: Path) -> None:
    (tmp_path / "sysctls.json").write_text(json.dumps(["half"]))
    with pytest.raises(ProvisionError) as found:
        machine[0].plan(WANTED)
    assert str(tmp_path / "sysctls.json") in str(found.value)
    assert "delete" in found.value.mend
