"""Building a lab: files first, then namespaces and cables, then every node by its script, then the hub's processes."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from hub.branch_router.bird import bird_config
from hub.branch_router.frr import frr_config
from hub.branch_router.secrets import Secrets
from hub.lab import record, requirements, scripts
from hub.lab.branch_router import end_of
from hub.lab.hub_processes import hub_command
from hub.lab.names import LabError, LabPlace
from hub.lab.namespaces import existing, processes, remove, run, run_inside
from hub.lab.network import BIRD, FRR, HUB, Branch, Network
from hub.lab.plan import hub_uplinks
from hub.lab.record import Lab
from hub.lab.strongswan import kernel_has_esp
from hub.lab.tunnel_files import write_secret, write_tunnels
from hub.lab_overrides import LabOverrides

AT_ONCE = 8
"""Scripts that run at the same time; more only makes two cores slower."""


def up(
    network: Network,
    place: LabPlace,
    *,
    configuration: Path,
    overrides: LabOverrides = LabOverrides(),  # noqa: B008 - an immutable value
    with_hub: bool = True,
) -> Lab:
    """Build the lab; the remains of one that was not finished are removed first.

    Raises:
        LabError: it is up already, something is missing on this machine, or a step failed (then nothing is left).
    """
    with record.locked(place):
        if place.record.exists() and existing(place):
            raise LabError(
                f'lab "{place.name}" is up already: "pointsman lab down --name {place.name}" first, '
                "or --name for a second one"
            )
        _remove(place)
        lab = Lab(place, network, configuration, requirements.check(network), userspace_esp=not kernel_has_esp())
        try:
            _build(lab, overrides, with_hub=with_hub)
        except BaseException:
            _remove(place)
            raise
        record.write(lab)
    return lab


def down(place: LabPlace) -> bool:
    """Remove everything of the lab, finished or not; False if there was nothing.

    Raises:
        LabError: another command is changing it, or a process does not end.
    """
    with record.locked(place):
        return _remove(place)


def _remove(place: LabPlace) -> bool:
    found = bool(existing(place)) or place.directory.exists()
    place.record.unlink(missing_ok=True)
    while names := existing(place):
        remove(names)
    shutil.rmtree(place.directory, ignore_errors=True)
    return found


def _build(lab: Lab, overrides: LabOverrides, *, with_hub: bool) -> None:
    place, network = lab.place, lab.network
    _write_files(lab)
    batch = scripts.namespaces_batch(network, place)
    run(["ip", "-batch", "-"], what="making namespaces", text=batch)
    _run_all(place, scripts.node_scripts(network, place, kernel_wireguard=lab.kernel_wireguard, hub_ends=not with_hub))
    charons = [place.vici_socket(node) for node in network.ipsec_nodes()]
    _wait(lambda: all(socket.is_socket() for socket in charons), "strongSwan", place.logs)
    if with_hub:
        command = hub_command(place, lab.configuration, replace(overrides, uplinks=hub_uplinks(network)))
        run_inside(place, HUB, f"cd / && {scripts.start(command, str(place.logs / 'hub.log'))}\n")
    _run_all(place, {branch.name: scripts.router_script(branch, place) for branch in network.branches})
    sockets = [place.bird_socket(branch.name) for branch in network.branches if branch.router == BIRD]
    _wait(lambda: all(socket.is_socket() for socket in sockets), "BIRD", place.logs)
    if with_hub:
        _wait(lambda: _hub_answers(place), "the hub (hub.log)", place.logs)


def _run_all(place: LabPlace, wanted: Mapping[str, str]) -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        jobs = [pool.submit(run_inside, place, node, script) for node, script in wanted.items()]
    for job in jobs:
        job.result()


def _hub_answers(place: LabPlace) -> bool:
    if not processes([place.namespace(HUB)]):
        raise LabError(f"the hub's processes ended at once: see {place.logs / 'hub.log'}")
    return (place.run / "control.sock").is_socket()


def _wait(condition: Callable[[], bool], what: str, logs: Path, patience: float = 60) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            raise LabError(f"{what} did not start in {patience:g} s: see {logs}")
        time.sleep(0.02)


def _write_files(lab: Lab) -> None:
    place = lab.place
    Path("/run/wireguard").mkdir(mode=0o700, exist_ok=True)
    for directory in (place.logs, place.run, place.state, *map(place.wireguard, lab.network.nodes())):
        directory.mkdir(parents=True)
    passwords = _make_passwords(place, lab.network)
    for branch in lab.network.branches:
        _write_router(lab, branch, passwords.get(branch.password_file or ""))
    write_tunnels(lab)


def _write_router(lab: Lab, branch: Branch, password: str | None) -> None:
    place, end, secrets = lab.place, end_of(lab.network, branch), Secrets(password)
    if branch.router != FRR:
        write_secret(place.bird_config(branch.name), bird_config(end, secrets))
        return
    Path("/run/frr").mkdir(mode=0o755, exist_ok=True)
    place.frr(branch.name).mkdir(parents=True)
    write_secret(place.frr_config(branch.name), frr_config(end, secrets))
    if not place.frr_groups.exists():
        write_secret(place.frr_groups, "root:x:0:\nfrr:x:0:\nfrrvty:x:0:\n")


def _make_passwords(place: LabPlace, network: Network) -> dict[str, str]:
    """A random password for every file that a session names; one that lies outside the lab is only read."""
    made: dict[str, str] = {}
    for name in dict.fromkeys(branch.password_file for branch in network.branches if branch.password_file):
        path = place.password_file(name)
        try:
            if not Path(name).is_absolute():
                write_secret(path, secrets.token_hex(16) + "\n")
            made[name] = path.read_text().strip()
        except OSError as error:
            raise LabError(
                f"the password file {path}: {error.strerror}: write only its name, and the lab makes one"
            ) from error
    return made
