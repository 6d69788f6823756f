"""`pointsman keys rotate`: the order of its steps, what the branch gets, and how everything is taken back."""

from __future__ import annotations

from pathlib import Path

import pytest
from branch_keys import made_its_own
from key_exchange_rig import TUNNEL, Report, RigOf, eight_branches, key, rigs, told

from hub.cli import key_exchange, keys_rotate
from hub.cli.branch_wireguard import ONLY_WG_QUICK, branch_wireguard
from hub.cli.key_bringing import Wishes
from hub.cli.key_exchange import Hub, exchange
from hub.control.client import RefusedError
from policies.model.intent import Intent


@pytest.fixture(scope="module")
def intent() -> Intent:
    return eight_branches()


@pytest.fixture
def rig_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RigOf:
    return rigs(tmp_path, monkeypatch)


def test_a_tunnel_is_drained_before_and_undrained_after(rig_of: RigOf, intent: Intent, tmp_path: Path) -> None:
    rig = rig_of(3)
    old = rig.store.of(TUNNEL)
    assert exchange(rig.hub(f"cat >{tmp_path}/$(basename $POINTSMAN_TUNNEL)", seconds=20), intent, TUNNEL)
    steps = list(dict.fromkeys(rig.asked))
    assert steps == ["rotate-status", "drain", "idle", "rotate-begin", "rotate-commit", "undrain"]
    new = rig.store.of(TUNNEL)
    assert new != old
    assert new is not None
    assert new.branch is not None
    text = (tmp_path / "fiber").read_text()
    assert f"PrivateKey = {new.branch.reveal()}" in text
    assert f"PublicKey = {new.hub_public}" in text
    assert "Endpoint = 198.51.100.2:51000" in text
    assert "Address = 10.255.0.1/31" in text


def test_where_the_branch_never_shakes_hands_it_gets_its_old_keys_again(
    rig_of: RigOf, intent: Intent, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = rig_of(None)
    old = rig.store.of(TUNNEL)
    assert not exchange(rig.hub(f"cat >>{tmp_path}/texts"), intent, TUNNEL)
    assert rig.asked[-2:] == ["rotate-rollback", "undrain"]
    assert (rig.store.of(TUNNEL), rig.store.staged(TUNNEL)) == (old, None)
    _new, again = (tmp_path / "texts").read_text().split("[Interface]")[1:]
    assert old is not None
    assert old.hub_public in again
    said = told(capsys)
    assert "no handshake with the new keys within 0 s" in said
    assert "its old keys are in force at the hub, and the branch was given its old text" in said


def test_a_command_that_fails_takes_everything_back(
    rig_of: RigOf, intent: Intent, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = rig_of(0)
    assert not exchange(rig.hub("cat >/dev/null; exit 3"), intent, TUNNEL)
    assert rig.asked[-2:] == ["rotate-rollback", "undrain"]
    said = told(capsys)
    assert "the command of --push-with failed (exit status 3)" in said
    assert "the branch did not get its old text" in said
    assert "mend: give it to the branch: sudo pointsman router print bandung" in said


def test_without_a_command_the_text_is_shown_and_waited_for(
    rig_of: RigOf, intent: Intent, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = rig_of(2)
    assert exchange(rig.hub(None, seconds=20), intent, TUNNEL)
    out = capsys.readouterr().out
    assert "[Interface]" in out
    assert "verified" in out


def test_nothing_is_begun_where_the_tunnel_cannot_be_drained(rig_of: RigOf, intent: Intent) -> None:
    rig = rig_of(0)
    rig.fails["drain"] = RefusedError("it would isolate bandung")
    with pytest.raises(RefusedError):
        exchange(rig.hub("true"), intent, TUNNEL)
    assert "rotate-begin" not in rig.asked


def test_nothing_is_begun_while_it_carries_traffic(
    rig_of: RigOf, intent: Intent, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = rig_of(0)
    rig.busy = "a packet to the branch 0.1 s ago"
    assert not exchange(rig.hub("true"), intent, TUNNEL)
    assert rig.asked == ["rotate-status", "drain", "idle", "undrain"]
    assert "a packet to the branch 0.1 s ago; nothing was changed, its keys are those it had" in told(capsys)


@pytest.mark.parametrize("refused", ["rotate-begin", "rotate-commit"])
def test_a_step_that_is_refused_is_taken_back_and_traffic_comes_back(
    rig_of: RigOf, intent: Intent, refused: str
) -> None:
    rig = rig_of(0)
    rig.fails[refused] = RefusedError("no")
    assert not exchange(rig.hub("cat >/dev/null"), intent, TUNNEL)
    assert rig.asked[-2:] == ["rotate-rollback", "undrain"]
    assert rig.store.staged(TUNNEL) is None


def test_a_branch_that_made_its_own_key_is_brought_no_text(rig_of: RigOf, intent: Intent) -> None:
    rig = rig_of(0)
    made_its_own(rig.store, TUNNEL, key(200))
    with pytest.raises(RefusedError, match="its branch made its own key"):
        exchange(rig.hub("true"), intent, TUNNEL)
    assert rig.asked == ["rotate-status"]


def test_wg_itself_gets_nothing_that_only_wg_quick_knows(rig_of: RigOf, intent: Intent) -> None:
    keys = rig_of(0).store.of(TUNNEL)
    assert keys is not None
    plain = branch_wireguard(intent, TUNNEL, keys, plain=True)
    assert not [word for word in ONLY_WG_QUICK if word in plain]
    assert set(plain.splitlines()) < set(branch_wireguard(intent, TUNNEL, keys, plain=False).splitlines())
    assert f"PublicKey = {keys.hub_public}" in plain


def test_tunnels_that_carry_nothing_come_first(intent: Intent) -> None:
    on_fiber = [{"branch": "bandung", "on": "fiber"}]
    assert keys_rotate._tunnels_of(intent, "bandung", on_fiber) == ["bandung/wireless", "bandung/fiber"]
    assert keys_rotate._tunnels_of(intent, "bandung/fiber", on_fiber) == ["bandung/fiber"]
    assert keys_rotate._tunnels_of(intent, "nowhere", on_fiber) == []


def test_the_next_tunnel_waits_until_the_last_one_answers_and_has_its_session(monkeypatch: pytest.MonkeyPatch) -> None:
    reported = [("down", "down"), ("up", "down"), ("up", "up")]
    asked: list[Report] = []

    def status(question: Report) -> Report:
        liveness, session = reported[len(asked)]
        asked.append(question)
        tunnel = {"tunnel": "fiber", "liveness": liveness, "session": session}
        return {"branches": [{"branch": "bandung", "tunnels": [tunnel]}]}

    monkeypatch.setattr(key_exchange.time, "sleep", lambda _: None)
    wishes = Wishes(None, plain=True, seconds=1.0, force=False)
    key_exchange.until_live(Hub(status, status, lambda *_: "", wishes), TUNNEL)
    assert len(asked) == len(reported)


def test_the_example_of_the_help_keeps_the_branch_s_keys_to_itself() -> None:
    assert "ssh bandung 'umask 077; cat >/etc/wireguard/fiber.conf" in keys_rotate._EPILOG
