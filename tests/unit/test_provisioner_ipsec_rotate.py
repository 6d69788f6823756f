"""Exchanging a secret at the hub's end: when the new one is in force, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from ipsec_values import tunnel, wanting
from secret_exchange_rig import FIBER, FILE, NAME, OLD, TUNNEL, Charon, Site, site_in, write

from hub.control.lock import hold
from hub.control.places import Places
from hub.provisioner.asks import Asks
from hub.provisioner.changes import ProvisionError
from hub.provisioner.ipsec import backend as backends
from hub.provisioner.ipsec.memory import recall
from hub.provisioner.ipsec.slice import IpsecSlice
from hub.provisioner.ipsec.steps import LoadSecret
from hub.provisioner.kept_keys import kept_keys
from hub.provisioner.keys.store import KeyStore
from hub.provisioner.remembered import Remembered
from hub.provisioner.slices import parts_of

OTHER = tunnel("bandung/wireless", 51822)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    return site_in(tmp_path, monkeypatch)


def test_a_new_secret_is_in_force_when_an_sa_was_made_by_it_and_heard(site: Site) -> None:
    report = site.rotation.begin(TUNNEL)
    assert (report["switched"], report["established"], report["verified"]) == (True, False, False)
    old, new, loaded = site.held()
    assert new is not None
    assert (old, loaded) == (OLD, new.encode())
    with pytest.raises(ProvisionError, match="nothing was heard over an SA"):
        site.rotation.commit(TUNNEL)
    site.branch_gets(new)
    site.charon.heard = False
    assert site.rotation.begin(TUNNEL)["established"]
    assert not site.rotation.status(TUNNEL)["verified"]
    site.charon.heard = True
    assert site.rotation.status(TUNNEL)["verified"]
    site.rotation.commit(TUNNEL)
    assert site.held() == (new, None, new.encode())
    assert site.names() == {FILE}
    assert (site.files.directory / FILE).stat().st_mode & 0o777 == 0o600


def test_an_sa_that_was_there_before_shows_nothing(site: Site) -> None:
    site.rotation.begin(TUNNEL)
    site.charon.found[site.charon.number - 1] = "ESTABLISHED"
    assert not site.rotation.status(TUNNEL)["established"]


def test_an_sa_that_rekeying_carries_on_is_ended_too(site: Site) -> None:
    def rekeyed(step: str) -> None:
        if step == "before ending" and site.charon.number < 20:
            site.charon.number = 20
            site.charon.found[20] = "ESTABLISHED"

    site.charon.steps = rekeyed
    site.rotation.begin(TUNNEL)
    assert site.charon.found == {}
    assert not site.rotation.status(TUNNEL)["established"]


def test_where_charon_takes_no_new_secret_the_old_one_holds_and_no_sa_was_ended(site: Site) -> None:
    def refuses(step: str) -> None:
        if step == "before loading" and site.charon.secrets[NAME] == OLD.encode():
            site.charon.steps = lambda _: None
            raise ProvisionError("charon refuses loading the secret", "look at it")

    site.charon.steps = refuses
    before = dict(site.charon.found)
    with pytest.raises(ProvisionError, match=r"^charon refuses loading the secret$"):
        site.rotation.begin(TUNNEL)
    assert site.held() == (OLD, None, OLD.encode())
    assert (site.charon.found, site.names()) == (before, {FILE})


def test_a_new_secret_is_kept_while_nobody_knows_which_one_charon_has(site: Site) -> None:
    def silent(step: str) -> None:
        if step == "after loading":
            raise ProvisionError("charon does not answer", "start it")

    site.charon.steps = silent
    with pytest.raises(ProvisionError, match="it is not known which secret charon has now") as caught:
        site.rotation.begin(TUNNEL)
    assert "--back" in caught.value.mend
    assert site.held()[1] is not None
    with pytest.raises(ProvisionError, match="does not answer"):
        site.rotation.rollback(TUNNEL)
    assert site.held()[1] is not None
    site.charon.steps = lambda _: None
    assert site.rotation.rollback(TUNNEL)["was"]
    assert site.held() == (OLD, None, OLD.encode())


def test_a_charon_that_was_started_anew_counts_anew_and_has_the_new_secret_again(site: Site) -> None:
    site.rotation.begin(TUNNEL)
    new = site.held()[1]
    site.charon.restarted()
    assert not site.rotation.status(TUNNEL)["switched"]
    site.backend.do(LoadSecret(NAME, FIBER))  # as the next verification does
    assert site.held()[2] == (new or "").encode()
    site.branch_gets(new)
    site.charon.begun()
    assert site.rotation.status(TUNNEL)["verified"]


def test_a_charon_that_has_another_secret_than_the_new_one_shows_nothing(site: Site) -> None:
    site.rotation.begin(TUNNEL)
    site.branch_gets(site.held()[1])
    site.charon.begun()
    memory = recall(site.backend.state)
    backends.remember(site.backend.state, memory.with_secret(NAME, "another"))
    report = site.rotation.status(TUNNEL)
    assert (report["switched"], report["verified"]) == (False, False)
    with pytest.raises(ProvisionError, match="charon has not its new secret"):
        site.rotation.commit(TUNNEL, unverified=True)


def test_unverified_it_is_in_force_only_where_that_is_wanted(site: Site) -> None:
    site.rotation.begin(TUNNEL)
    new = site.held()[1]
    site.rotation.commit(TUNNEL, unverified=True)
    assert site.held() == (new, None, (new or "").encode())


def test_a_secret_that_somebody_writes_meanwhile_counts_and_the_new_one_no_more(site: Site) -> None:
    site.rotation.begin(TUNNEL)
    write(site, FILE, "written by hand at three in the morning")
    assert not site.rotation.status(TUNNEL)["exchanging"]
    assert site.files.in_use(TUNNEL, FILE).reveal() == "written by hand at three in the morning"
    assert not site.rotation.rollback(TUNNEL)["was"]
    assert site.names() == {FILE}


def refused_before_anything_is_begun(site: Site, part: str) -> str:
    before = site.held(), site.names(), dict(site.charon.found)
    for step in (site.rotation.status, site.rotation.begin):
        with pytest.raises(ProvisionError, match=part) as caught:
            step(TUNNEL)
    assert (site.held(), site.names(), site.charon.found) == before
    return caught.value.mend


def test_a_file_of_several_tunnels_is_refused_and_they_are_named(site: Site) -> None:
    site.tunnels.append(replace(OTHER, secret_file=FILE))
    mend = refused_before_anything_is_begun(site, "has its secret together with bandung/wireless")
    assert "a psk-file of its own" in mend


def test_a_secret_that_another_tunnel_with_the_same_identity_has_too_is_refused(site: Site) -> None:
    write(site, "bandung-wireless.psk", OLD)
    site.tunnels.append(replace(OTHER, hub_identity=FIBER.hub_identity))
    assert "hub-id" in refused_before_anything_is_begun(site, "the same secret as bandung/wireless")
    site.tunnels[1] = OTHER
    assert not site.rotation.status(TUNNEL)["exchanging"]


def test_a_directory_that_others_may_write_is_refused(site: Site) -> None:
    site.files.directory.chmod(0o770)
    assert "chmod 750" in refused_before_anything_is_begun(site, "is no directory that only root may write")


def test_a_file_that_is_somewhere_else_is_refused(site: Site, tmp_path: Path) -> None:
    path = site.files.directory / FILE
    path.rename(tmp_path / "vault")
    path.symlink_to(tmp_path / "vault")
    assert "exchange it where it is made" in refused_before_anything_is_begun(site, "is no ordinary file")


def test_a_directory_on_a_disk_that_cannot_be_written_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda *_: False)
    assert "can be written" in refused_before_anything_is_begun(site, "cannot be written")


def test_a_certificate_is_refused_by_its_kind(site: Site) -> None:
    site.tunnels[0] = replace(FIBER, secret_file=None, certificate_file="hub.pem")
    refused_before_anything_is_begun(site, "has the certificate hub.pem, which is not exchanged here")


def test_what_charon_does_not_have_yet_is_not_exchanged(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Charon, "connections", lambda _: frozenset())
    with pytest.raises(ProvisionError, match="is not in charon"):
        site.rotation.begin(TUNNEL)
    assert site.names() == {FILE}


def test_verification_says_that_an_exchange_was_not_ended(site: Site) -> None:
    site.rotation.begin(TUNNEL)
    ipsec = IpsecSlice(site.backend.state, site.files.directory)
    (found,) = ipsec._exchanging(wanting(FIBER))
    assert found.mend == "pointsman keys rotate bandung/fiber goes on with it"
    (kept,) = kept_keys(wanting(FIBER), KeyStore(site.backend.state / "keys"), site.files.directory)
    assert kept.exchanging_since is not None
    site.rotation.rollback(TUNNEL)
    assert list(ipsec._exchanging(wanting(FIBER))) == []


@pytest.mark.parametrize("ask", ["rotate-begin", "rotate-commit", "rotate-rollback"])
def test_while_somebody_changes_tunnels_no_secret_is_exchanged(tmp_path: Path, ask: str) -> None:
    places = Places(run=tmp_path, state=tmp_path)
    parts = parts_of(places, lambda: wanting(FIBER))
    asks = Asks(parts.provisioner, Remembered(places.provisioner_state), lambda _: None, parts.asks)
    assert "secrets cannot be read" in asks.answer({"ask": "rotate-status", "tunnel": TUNNEL})["error"]
    hold(places.provisioner_lock, "a test")
    answer = asks.answer({"ask": ask, "tunnel": TUNNEL})
    assert "another change of tunnels is running already" in answer["error"]
