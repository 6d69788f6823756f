"""Exchanging a secret at the hub's end: interrupted anywhere it is gone on with, or taken back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from secret_exchange_rig import FIBER, FILE, OLD, TUNNEL, Site, site_in

from hub.provisioner.ipsec import secret_exchange
from hub.provisioner.ipsec.memory import recall
from hub.provisioner.ipsec.secret_exchange import SecretFiles
from hub.provisioner.ipsec.seen import material_of
from hub.provisioner.keys import files as writing_files

STEPS = ("before loading", "after loading", "before ending", "before beginning")


class Killed(BaseException):
    """The provisioner is killed."""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    return site_in(tmp_path, monkeypatch)


@pytest.fixture(params=[*STEPS, *(f"write {number}" for number in range(1, 5))])
def killed(request: pytest.FixtureRequest, site: Site, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """The provisioner is killed at this step of what is done next, or instead of this file being put in place."""
    where: str = request.param

    def arm() -> None:
        count = iter(range(1, 100))

        def reached(step: str) -> None:
            if step == where:
                raise Killed

        def replacing(path: Path, text: str, **more: Any) -> None:
            reached(f"write {next(count)}")
            writing_files.write_whole(path, text, **more)

        site.charon.steps = reached
        monkeypatch.setattr(secret_exchange, "write_whole", replacing)

    return arm


def revived(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.charon.steps = lambda _: None
    monkeypatch.setattr(secret_exchange, "write_whole", writing_files.write_whole)


def tried(step: Callable[[str], object]) -> None:
    try:
        step(TUNNEL)
    except Killed:
        return


def consistent(site: Site) -> None:
    """What is to be loaded by the next look is a secret that stands in a file, whatever was interrupted."""
    assert material_of(FIBER, recall(site.backend.state), site.files.directory).problem == ""
    old, new, loaded = site.held()
    assert old == OLD
    assert loaded in {OLD.encode(), (new or OLD).encode()}


def test_killed_while_it_begins_it_goes_on_with_the_same_new_secret(
    site: Site, killed: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    killed()
    tried(site.rotation.begin)
    revived(site, monkeypatch)
    consistent(site)
    before = site.held()[1]
    site.rotation.begin(TUNNEL)
    new = site.held()[1]
    assert before in (None, new)
    site.branch_gets(new)
    site.rotation.begin(TUNNEL)
    site.rotation.commit(TUNNEL)
    assert site.held() == (new, None, site.charon.branch)


def test_killed_while_it_begins_it_is_taken_back(
    site: Site, killed: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    killed()
    tried(site.rotation.begin)
    revived(site, monkeypatch)
    site.rotation.rollback(TUNNEL)
    assert site.held() == (OLD, None, OLD.encode())
    assert site.names() == {FILE}
    assert list(site.charon.found.values()) == ["ESTABLISHED"]


def test_killed_while_it_goes_back_it_goes_back_when_it_is_said_again(
    site: Site, killed: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    site.rotation.begin(TUNNEL)
    killed()
    tried(site.rotation.rollback)
    revived(site, monkeypatch)
    consistent(site)
    site.rotation.rollback(TUNNEL)
    assert site.held() == (OLD, None, OLD.encode())
    assert site.names() == {FILE}


def test_killed_while_it_goes_back_it_can_go_on_all_the_same(
    site: Site, killed: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    site.rotation.begin(TUNNEL)
    killed()
    tried(site.rotation.rollback)
    revived(site, monkeypatch)
    new = site.rotation.begin(TUNNEL) and site.held()[1]
    site.branch_gets(new)
    site.rotation.begin(TUNNEL)
    site.rotation.commit(TUNNEL)
    assert site.held()[0] == new


def test_killed_when_the_new_secret_has_taken_the_name_of_the_old_it_is_in_force(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.rotation.begin(TUNNEL)
    new = site.held()[1]
    site.branch_gets(new)
    site.rotation.begin(TUNNEL)

    def killing(_files: SecretFiles, _file: str) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(SecretFiles, "abandon", killing)
        tried(site.rotation.commit)
    assert site.held() == (new, None, site.charon.branch)
    assert not site.rotation.status(TUNNEL)["exchanging"]
    assert site.rotation.rollback(TUNNEL) == {"tunnel": TUNNEL, "was": False}
    assert site.names() == {FILE}
    assert site.held() == (new, None, site.charon.branch)
