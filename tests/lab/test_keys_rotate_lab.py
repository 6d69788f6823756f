"""`pointsman keys rotate` in a running network: new keys at both ends, and the old ones where the branch is silent."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from patient_policy import judged_patiently
from running_hub import RunningHub, copy_of_two_branches, lost, running_hub

from hub.provisioner.keys.store import KeyStore

pytestmark = [pytest.mark.lab, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]
POINTSMAN = f"{sys.executable} -m hub.cli.main"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """One lab for all tests of this file."""
    directory = judged_patiently(copy_of_two_branches(tmp_path_factory.mktemp("rotate") / "config"))
    with running_hub("rotate", directory, timers="relaxed") as built:
        yield built


def rotate(hub: RunningHub, push: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [*POINTSMAN.split(), "keys", "rotate", "bandung", "--plain", "--push-with", push, *options]
    where = ["--run-dir", str(hub.lab.place.run)]
    root = Path(__file__).parents[2]
    return subprocess.run([*command, *where], capture_output=True, text=True, check=False, cwd=root, timeout=300)


def test_both_ends_of_every_tunnel_get_new_keys_and_nothing_is_lost(hub: RunningHub) -> None:
    hub.wait_until_well()
    store = KeyStore(hub.lab.place.keys)
    before = {name: store.of(f"bandung/{name}") for name in ("fiber", "wireless")}
    shell = f"{POINTSMAN} lab shell --name {hub.lab.place.name} bandung --"
    with hub.probing("bandung", "tegal") as probe:
        done = rotate(hub, f"{shell} wg syncconf ${{POINTSMAN_TUNNEL#*/}} /dev/stdin")
        assert done.returncode == 0, done.stderr
        probe.mark("well")
        seen = probe.report(None, "well")
    assert lost(seen) == 0
    verified = {line.split()[1] for line in done.stdout.splitlines() if line.startswith("verified")}
    assert verified == {"bandung/wireless:", "bandung/fiber:"}
    for name, old in before.items():
        new = store.of(f"bandung/{name}")
        assert new is not None
        assert old is not None
        assert not {new.hub, new.branch} & {old.hub, old.branch}


def test_a_branch_that_never_speaks_its_new_keys_keeps_its_old_ones(hub: RunningHub) -> None:
    hub.wait_until_well()
    store = KeyStore(hub.lab.place.keys)
    before = store.of("bandung/wireless")
    with hub.probing("bandung") as probe:
        done = rotate(hub, "cat >/dev/null", "--timeout", "2s")
        probe.mark("well")
        seen = probe.report(None, "well")
    assert done.returncode == 1
    assert "no handshake with the new keys within 2 s" in done.stderr
    assert lost(seen) == 0
    assert (store.of("bandung/wireless"), store.staged("bandung/wireless")) == (before, None)
