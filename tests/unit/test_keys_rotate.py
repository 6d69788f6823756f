"""`pointsman keys rotate`: the order of its steps, what the branch gets, and how everything is taken back."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hub.cli import key_exchange, keys_rotate
from hub.cli.branch_wireguard import ONLY_WG_QUICK, branch_wireguard
from hub.cli.key_exchange import Hub, Wishes, exchange
from hub.cli.main import main
from hub.config import read
from hub.control.client import RefusedError
from hub.provisioner.keys import completing
from hub.provisioner.keys.secret import Secret
from hub.provisioner.keys.store import KeyStore
from policies.model.intent import Intent

TUNNEL = "bandung/fiber"
Report = dict[str, Any]


@pytest.fixture(scope="module")
def intent() -> Intent:
    found = read(Path(__file__).parents[2] / "config" / "eight-branches").intent
    assert found is not None
    return found


class Rig:
    """A hub that writes down what it was asked. The branch shakes hands after `after` questions; None: never."""

    def __init__(self, directory: Path, after: int | None) -> None:
        self.store = KeyStore(directory / "keys", clock=lambda: 1e9)
        self.store.make([TUNNEL])
        self.asked: list[str] = []
        self.after = after
        self.refuses = ""
        self.is_idle = True

    def hub(self, push_with: str | None, *, seconds: float = 0.0) -> Hub:
        wishes = Wishes(push_with, plain=False, seconds=seconds, force=False)
        return Hub(self.controller, self.provisioner, lambda _drain, _begun: self.is_idle, wishes)

    def controller(self, question: Report) -> Report:
        self._note(question)
        return {"overrides": [{"number": 7}]}

    def provisioner(self, question: Report) -> Report:
        self._note(question)
        if question["ask"] == "rotate-begin":
            self.store.begin_rotation(TUNNEL)
        if question["ask"] == "rotate-rollback":
            self.store.abandon_rotation(TUNNEL)
        if question["ask"] == "rotate-commit":
            self.store.commit_rotation(TUNNEL)
        keys = self.store.staged(TUNNEL) or self.store.of(TUNNEL)
        assert keys is not None
        verified = self.after is not None and self.asked.count("rotate-status") > self.after
        return {
            "keys": str(self.store.directory),
            "interface": "wg1",
            "hub_public": keys.hub_public,
            "verified": verified,
        }

    def _note(self, question: Report) -> None:
        self.asked.append(question["ask"])
        if question["ask"] == self.refuses:
            raise RefusedError(f"{self.refuses} is refused")


@pytest.fixture
def rig_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int | None], Rig]:
    numbers = iter(range(1, 100))

    def pairs(number: int) -> list[tuple[Secret, str]]:
        found = [next(numbers) for _ in range(number)]
        return [(Secret(_key(each)), _key(each + 100)) for each in found]

    monkeypatch.setattr(completing, "make_pairs", pairs)
    monkeypatch.setattr(key_exchange, "_ASK_EVERY", 0.001)
    return lambda after: Rig(tmp_path, after)


def _key(byte: int) -> str:
    return base64.b64encode(bytes([byte] * 32)).decode()


def test_a_tunnel_is_drained_before_and_undrained_after(
    rig_of: Callable[[int | None], Rig], intent: Intent, tmp_path: Path
) -> None:
    rig = rig_of(3)
    old = rig.store.of(TUNNEL)
    assert exchange(rig.hub(f"cat >{tmp_path}/$(basename $POINTSMAN_TUNNEL)", seconds=20), intent, TUNNEL)
    steps = list(dict.fromkeys(rig.asked))
    assert steps == ["rotate-status", "drain", "rotate-begin", "rotate-commit", "undrain"]
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
    rig_of: Callable[[int | None], Rig], intent: Intent, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = rig_of(None)
    old = rig.store.of(TUNNEL)
    assert not exchange(rig.hub(f"cat >>{tmp_path}/texts"), intent, TUNNEL)
    assert rig.asked[-2:] == ["rotate-rollback", "undrain"]
    assert (rig.store.of(TUNNEL), rig.store.staged(TUNNEL)) == (old, None)
    _new, again = (tmp_path / "texts").read_text().split("[Interface]")[1:]
    assert old is not None
    assert old.hub_public in again
    out, err = capsys.readouterr()
    assert "no handshake with the new keys within 0 s" in err
    assert "bandung/fiber has its old keys at the hub" in out


def test_a_command_that_fails_takes_everything_back(
    rig_of: Callable[[int | None], Rig], intent: Intent, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = rig_of(0)
    assert not exchange(rig.hub("cat >/dev/null; exit 3"), intent, TUNNEL)
    assert rig.asked[-2:] == ["rotate-rollback", "undrain"]
    assert "the command of --push-with failed (exit status 3)" in capsys.readouterr().err


def test_without_a_command_the_text_is_shown_and_waited_for(
    rig_of: Callable[[int | None], Rig], intent: Intent, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = rig_of(2)
    assert exchange(rig.hub(None, seconds=20), intent, TUNNEL)
    out = capsys.readouterr().out
    assert "[Interface]" in out
    assert "verified" in out


def test_nothing_is_begun_where_the_tunnel_cannot_be_drained(
    rig_of: Callable[[int | None], Rig], intent: Intent
) -> None:
    rig = rig_of(0)
    rig.refuses = "drain"
    with pytest.raises(RefusedError):
        exchange(rig.hub("true"), intent, TUNNEL)
    assert "rotate-begin" not in rig.asked


def test_nothing_is_begun_while_it_carries_traffic(rig_of: Callable[[int | None], Rig], intent: Intent) -> None:
    rig = rig_of(0)
    rig.is_idle = False
    assert not exchange(rig.hub("true"), intent, TUNNEL)
    assert rig.asked == ["rotate-status", "drain", "undrain"]


@pytest.mark.parametrize("refused", ["rotate-begin", "rotate-commit"])
def test_a_step_that_is_refused_is_taken_back_and_traffic_comes_back(
    rig_of: Callable[[int | None], Rig], intent: Intent, refused: str
) -> None:
    rig = rig_of(0)
    rig.refuses = refused
    assert not exchange(rig.hub("cat >/dev/null"), intent, TUNNEL)
    assert rig.asked[-2:] == ["rotate-rollback", "undrain"]
    assert rig.store.staged(TUNNEL) is None


def test_a_branch_that_made_its_own_key_is_brought_no_text(rig_of: Callable[[int | None], Rig], intent: Intent) -> None:
    rig = rig_of(0)
    rig.store.take_public(TUNNEL, _key(200))
    with pytest.raises(RefusedError, match="its branch made its own key"):
        exchange(rig.hub("true"), intent, TUNNEL)
    assert rig.asked == ["rotate-status"]


def test_wg_itself_gets_nothing_that_only_wg_quick_knows(rig_of: Callable[[int | None], Rig], intent: Intent) -> None:
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


def test_without_a_hub_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert main(["keys", "rotate", "bandung", "--run-dir", str(tmp_path)]) == 3
    assert "nobody answers at" in capsys.readouterr().err


def test_only_root_can(capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert main(["keys", "rotate", "bandung"]) == 1
    assert "only root can read the keys" in capsys.readouterr().err


def test_the_next_tunnel_waits_until_the_last_one_answers_and_has_its_session(monkeypatch: pytest.MonkeyPatch) -> None:
    told = [("down", "down"), ("up", "down"), ("up", "up")]
    asked: list[Report] = []

    def status(question: Report) -> Report:
        liveness, session = told[len(asked)]
        asked.append(question)
        tunnel = {"tunnel": "fiber", "liveness": liveness, "session": session}
        return {"branches": [{"branch": "bandung", "tunnels": [tunnel]}]}

    monkeypatch.setattr(key_exchange.time, "sleep", lambda _: None)
    key_exchange.until_live(Hub(status, status, lambda *_: True, Wishes(None, True, 1.0, False)), TUNNEL)
    assert len(asked) == len(told)
