"""`pointsman keys rotate`: the order of its steps, what the branch gets, and how everything is taken back."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from branch_keys import made_its_own
from config_directories import ALLOCATIONS, BANDUNG, written

from hub.cli import key_exchange, keys_rotate
from hub.cli.branch_wireguard import ONLY_WG_QUICK, branch_wireguard
from hub.cli.key_bringing import Wishes
from hub.cli.key_exchange import Hub, exchange
from hub.cli.main import main
from hub.config import read
from hub.control.client import NotRunningError, RefusedError
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
    """A hub that writes down what it was asked. The branch shakes hands after `after` questions; None: never.

    `fails` are what a question raises; of one in `afterwards` it is raised when the work is done, as by a lost answer.
    """

    def __init__(self, directory: Path, after: int | None) -> None:
        self.store = KeyStore(directory / "keys", clock=lambda: 1e9)
        self.store.make([TUNNEL])
        self.asked: list[str] = []
        self.said: list[Report] = []
        self.after = after
        self.fails: dict[str, BaseException] = {}
        self.afterwards: dict[str, BaseException] = {}
        self.busy = ""
        self.lives = {"fiber": "up", "wireless": "up"}
        self.comes_back_at = ""

    def hub(self, push_with: str | None, *, seconds: float = 0.0, force: bool = False) -> Hub:
        wishes = Wishes(push_with, plain=False, seconds=seconds, force=force, reason="stolen" if force else "")
        return Hub(self.controller, self.provisioner, self.idle, wishes)

    def idle(self, _drain: Report, _begun: float) -> str:
        self._note({"ask": "idle"})
        return self.busy

    def controller(self, question: Report) -> Report:
        self._note(question)
        self._done(question)
        tunnels = [
            {"tunnel": name, "liveness": liveness, "session": "up", "drained": []}
            for name, liveness in self.lives.items()
        ]
        return {"overrides": [{"number": 7}], "branches": [{"branch": "bandung", "tunnels": tunnels}]}

    def provisioner(self, question: Report) -> Report:
        self._note(question)
        if question["ask"] == self.comes_back_at:
            self.lives = dict.fromkeys(self.lives, "up")
        if question["ask"] == "rotate-begin":
            self.store.begin_rotation(TUNNEL)
        if question["ask"] == "rotate-rollback":
            self.store.abandon_rotation(TUNNEL)
        if question["ask"] == "rotate-commit":
            self.store.commit_rotation(TUNNEL)
        self._done(question)
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
        self.said.append(question)
        if (error := self.fails.get(question["ask"])) is not None:
            raise error

    def _done(self, question: Report) -> None:
        if (error := self.afterwards.pop(question["ask"], None)) is not None:
            raise error


GONE = NotRunningError("nobody answers at provisioner.sock")


def told(capsys: pytest.CaptureFixture[str]) -> str:
    """What was said at the end: one line of what is so, one of what to do."""
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[0] for line in lines] == ["pointsman:", "mend:"], lines
    return "\n".join(lines)


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
    said = told(capsys)
    assert "no handshake with the new keys within 0 s" in said
    assert "its old keys are in force at the hub, and the branch was given its old text" in said


def test_a_command_that_fails_takes_everything_back(
    rig_of: Callable[[int | None], Rig], intent: Intent, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = rig_of(0)
    assert not exchange(rig.hub("cat >/dev/null; exit 3"), intent, TUNNEL)
    assert rig.asked[-2:] == ["rotate-rollback", "undrain"]
    said = told(capsys)
    assert "the command of --push-with failed (exit status 3)" in said
    assert "the branch did not get its old text" in said
    assert "mend: give it to the branch: sudo pointsman router print bandung" in said


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
    rig.fails["drain"] = RefusedError("it would isolate bandung")
    with pytest.raises(RefusedError):
        exchange(rig.hub("true"), intent, TUNNEL)
    assert "rotate-begin" not in rig.asked


def test_nothing_is_begun_while_it_carries_traffic(
    rig_of: Callable[[int | None], Rig], intent: Intent, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = rig_of(0)
    rig.busy = "a packet to the branch 0.1 s ago"
    assert not exchange(rig.hub("true"), intent, TUNNEL)
    assert rig.asked == ["rotate-status", "drain", "idle", "undrain"]
    assert "a packet to the branch 0.1 s ago; nothing was changed, its keys are those it had" in told(capsys)


@pytest.mark.parametrize("refused", ["rotate-begin", "rotate-commit"])
def test_a_step_that_is_refused_is_taken_back_and_traffic_comes_back(
    rig_of: Callable[[int | None], Rig], intent: Intent, refused: str
) -> None:
    rig = rig_of(0)
    rig.fails[refused] = RefusedError("no")
    assert not exchange(rig.hub("cat >/dev/null"), intent, TUNNEL)
    assert rig.asked[-2:] == ["rotate-rollback", "undrain"]
    assert rig.store.staged(TUNNEL) is None


def test_a_branch_that_made_its_own_key_is_brought_no_text(rig_of: Callable[[int | None], Rig], intent: Intent) -> None:
    rig = rig_of(0)
    made_its_own(rig.store, TUNNEL, _key(200))
    with pytest.raises(RefusedError, match="its branch made its own key"):
        exchange(rig.hub("true"), intent, TUNNEL)
    assert rig.asked == ["rotate-status"]


class TestForced:
    """Where nothing else carries the branch's traffic a drain never comes to its end."""

    def test_the_only_tunnel_that_lives_is_exchanged_and_verified_without_waiting_for_it_to_be_idle(
        self, rig_of: Callable[[int | None], Rig], intent: Intent, capsys: pytest.CaptureFixture[str]
    ) -> None:
        rig = rig_of(2)
        rig.lives["wireless"] = "down"
        assert exchange(rig.hub("cat >/dev/null", seconds=20, force=True), intent, TUNNEL)
        assert "idle" not in rig.asked
        assert [each.get("unverified") for each in rig.said if each["ask"] == "rotate-commit"] == [None]
        assert "nothing else can carry its traffic" in capsys.readouterr().out

    def test_the_only_tunnel_that_lives_has_its_old_keys_where_the_branch_never_shakes_hands(
        self, rig_of: Callable[[int | None], Rig], intent: Intent
    ) -> None:
        rig = rig_of(None)
        rig.lives["wireless"] = "down"
        old = rig.store.of(TUNNEL)
        assert not exchange(rig.hub("cat >/dev/null", force=True), intent, TUNNEL)
        assert rig.store.of(TUNNEL) == old

    def test_while_another_tunnel_lives_it_is_drained_first(
        self, rig_of: Callable[[int | None], Rig], intent: Intent
    ) -> None:
        rig = rig_of(2)
        rig.lives["fiber"] = "down"
        assert exchange(rig.hub("cat >/dev/null", seconds=20, force=True), intent, TUNNEL)
        assert "idle" in rig.asked

    def test_of_a_dead_branch_the_hub_has_new_keys_at_once_and_what_is_to_be_done_there_is_said(
        self, rig_of: Callable[[int | None], Rig], intent: Intent, capsys: pytest.CaptureFixture[str]
    ) -> None:
        rig = rig_of(None)
        rig.lives = dict.fromkeys(rig.lives, "down")
        old = rig.store.of(TUNNEL)
        assert exchange(rig.hub(None, seconds=900, force=True), intent, TUNNEL)
        assert rig.store.of(TUNNEL) != old
        assert rig.store.staged(TUNNEL) is None
        out = capsys.readouterr().out
        assert "unverified bandung/fiber: its new keys are in force at the hub; no tunnel of bandung lives" in out
        state = rig.store.directory.parent
        assert f"sudo pointsman router print bandung --part wg-quick --with-keys --state-dir {state}" in out
        assert "PrivateKey" not in out

    @pytest.mark.parametrize("push_with", [None, "cat >/dev/null"])
    @pytest.mark.parametrize("shakes_hands", [False, True])
    def test_a_dead_branch_that_comes_back_meanwhile_keeps_its_keys_until_it_shakes_hands_with_the_new_ones(
        self, rig_of: Callable[[int | None], Rig], intent: Intent, push_with: str | None, shakes_hands: bool
    ) -> None:
        rig = rig_of(2 if shakes_hands else None)
        rig.lives = dict.fromkeys(rig.lives, "down")
        rig.comes_back_at = "rotate-begin"
        old = rig.store.of(TUNNEL)
        seconds = 20.0 if shakes_hands else 0.0
        assert exchange(rig.hub(push_with, seconds=seconds, force=True), intent, TUNNEL) == shakes_hands
        assert (rig.store.of(TUNNEL) != old) == shakes_hands
        commits = [each.get("unverified") for each in rig.said if each["ask"] == "rotate-commit"]
        assert commits == ([None] if shakes_hands else [])

    def test_it_is_kept_who_forced_it_and_why(self, rig_of: Callable[[int | None], Rig], intent: Intent) -> None:
        rig = rig_of(None)
        rig.lives = dict.fromkeys(rig.lives, "down")
        assert exchange(rig.hub(None, force=True), intent, TUNNEL)
        (drain,) = [each for each in rig.said if each["ask"] == "drain"]
        assert (drain["force"], drain["reason"]) == (True, "its keys are exchanged: stolen")

    def test_a_dead_branch_that_was_brought_its_text_keeps_it(
        self, rig_of: Callable[[int | None], Rig], intent: Intent, capsys: pytest.CaptureFixture[str]
    ) -> None:
        rig = rig_of(None)
        rig.lives = dict.fromkeys(rig.lives, "down")
        old = rig.store.of(TUNNEL)
        assert exchange(rig.hub("cat >/dev/null", force=True), intent, TUNNEL)
        assert rig.store.of(TUNNEL) != old
        assert "no handshake with the new keys within 0 s" in capsys.readouterr().out

    def test_a_dead_branch_that_could_not_be_brought_its_text_has_its_old_keys(
        self, rig_of: Callable[[int | None], Rig], intent: Intent
    ) -> None:
        rig = rig_of(None)
        rig.lives = dict.fromkeys(rig.lives, "down")
        old = rig.store.of(TUNNEL)
        assert not exchange(rig.hub("exit 3", force=True), intent, TUNNEL)
        assert rig.store.of(TUNNEL) == old

    def test_the_next_tunnel_of_a_dead_branch_waits_for_nothing(self, rig_of: Callable[[int | None], Rig]) -> None:
        rig = rig_of(None)
        rig.lives = dict.fromkeys(rig.lives, "down")
        key_exchange.until_live(rig.hub(None, force=True), TUNNEL)
        assert rig.asked == ["status"]

    def test_it_needs_a_reason(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit):
            main(["keys", "rotate", "bandung", "--force"])
        assert "--force needs --reason" in capsys.readouterr().err


class TestWhatHolds:
    """However it ends, one line says which keys are in force, and one what to run."""

    def test_new_keys_hold_where_only_the_answer_to_the_last_step_was_lost(
        self, rig_of: Callable[[int | None], Rig], intent: Intent, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        rig = rig_of(2)
        rig.afterwards["rotate-commit"] = GONE
        assert exchange(rig.hub(f"cat >>{tmp_path}/texts", seconds=20), intent, TUNNEL)
        out, err = capsys.readouterr()
        assert "all the same its new keys are in force" in err
        assert "old keys" not in out + err
        assert (tmp_path / "texts").read_text().count("[Interface]") == 1

    def test_a_provisioner_that_is_gone_leaves_both_and_says_so(
        self, rig_of: Callable[[int | None], Rig], intent: Intent, capsys: pytest.CaptureFixture[str]
    ) -> None:
        rig = rig_of(None)
        rig.afterwards["rotate-begin"] = GONE
        rig.fails["rotate-rollback"] = GONE
        assert not exchange(rig.hub("cat >/dev/null"), intent, TUNNEL)
        said = told(capsys)
        assert "its new keys stand beside the old ones, and the hub's end may have either" in said
        assert "pointsman keys rotate bandung/fiber --back for the old ones" in said
        assert said.count("nobody answers") == 1

    def test_a_provisioner_that_was_gone_before_anything_was_begun_has_the_old_keys(
        self, rig_of: Callable[[int | None], Rig], intent: Intent, capsys: pytest.CaptureFixture[str]
    ) -> None:
        rig = rig_of(None)
        rig.fails = {"rotate-begin": GONE, "rotate-rollback": GONE}
        assert not exchange(rig.hub("cat >/dev/null"), intent, TUNNEL)
        assert "its old keys are in force\n" in told(capsys)

    def test_going_back_whose_answer_was_lost_has_the_old_keys(
        self, rig_of: Callable[[int | None], Rig], intent: Intent, capsys: pytest.CaptureFixture[str]
    ) -> None:
        rig = rig_of(None)
        rig.afterwards["rotate-rollback"] = GONE
        assert not exchange(rig.hub("cat >/dev/null"), intent, TUNNEL)
        assert "its old keys are in force at the hub" in told(capsys)

    def test_interrupted_while_it_waits_for_traffic_to_leave_it_is_undrained_and_says_one_thing(
        self, rig_of: Callable[[int | None], Rig], intent: Intent, capsys: pytest.CaptureFixture[str]
    ) -> None:
        rig = rig_of(None)
        rig.fails["idle"] = KeyboardInterrupt()
        with pytest.raises(KeyboardInterrupt):
            exchange(rig.hub("true"), intent, TUNNEL)
        assert rig.asked[-1] == "undrain"
        assert told(capsys) == (
            "pointsman: bandung/fiber: interrupted; nothing was changed, its keys are those it had\n"
            "    mend: pointsman keys rotate bandung/fiber"
        )

    def test_interrupted_while_it_waits_for_the_branch_it_says_what_to_do_there(
        self, rig_of: Callable[[int | None], Rig], intent: Intent, capsys: pytest.CaptureFixture[str]
    ) -> None:
        rig = rig_of(None)
        rig.afterwards["rotate-commit"] = KeyboardInterrupt()
        rig.after = 2
        with pytest.raises(KeyboardInterrupt):
            exchange(rig.hub(None, seconds=20), intent, TUNNEL)
        assert "interrupted; all the same its new keys are in force" in capsys.readouterr().err

    def test_interrupted_it_gives_no_false_hope_of_the_branch(
        self, rig_of: Callable[[int | None], Rig], intent: Intent, capsys: pytest.CaptureFixture[str]
    ) -> None:
        rig = rig_of(2)
        rig.fails["rotate-commit"] = KeyboardInterrupt()
        with pytest.raises(KeyboardInterrupt):
            exchange(rig.hub(None, seconds=20), intent, TUNNEL)
        said = told(capsys)
        assert "interrupted; its old keys are in force at the hub\n" in said
        assert "if the branch has the new text already, give it the old one: sudo pointsman router print" in said

    def test_a_controller_that_is_gone_leaves_the_drain_and_says_what_ends_it(
        self, rig_of: Callable[[int | None], Rig], intent: Intent, capsys: pytest.CaptureFixture[str]
    ) -> None:
        rig = rig_of(2)
        rig.fails["undrain"] = NotRunningError("nobody answers at control.sock")
        assert not exchange(rig.hub("cat >/dev/null", seconds=20), intent, TUNNEL)
        assert told(capsys) == (
            "pointsman: bandung/fiber: its new keys are in force; "
            "its drain 7 could not be ended (nobody answers at control.sock)\n"
            "    mend: pointsman undrain bandung/fiber"
        )


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
    wishes = Wishes(None, plain=True, seconds=1.0, force=False)
    key_exchange.until_live(Hub(status, status, lambda *_: "", wishes), TUNNEL)
    assert len(asked) == len(told)


CERTIFICATE = "{certificate: hub.pem, key-file: hub.key, authority: ca.pem}"
BY_HAND = {
    f"{{transport: ipsec, auth: {CERTIFICATE}}}": (
        "bandung/fiber is IPsec: it has the certificate hub.pem, which keys rotate does not exchange",
        (
            "pointsman drain bandung/fiber; write another one of the same authority there, its key into hub.key; "
            "pointsman apply; have the branch make its SA anew (docs/how-to/exchange-keys.md)"
        ),
    ),
    "{existing: wg-old}": ("bandung/fiber was made by somebody else", "exchange them there"),
}


def running(directory: Path, tunnel: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A hub that runs with bandung/fiber as written; the tunnels whose keys it is asked to exchange."""
    allocations = (
        ALLOCATIONS.replace("51000}", "51000, loopbacks: 10.255.1.0/31}") if "ipsec" in tunnel else ALLOCATIONS
    )
    files = {"branches/bandung.yaml": f"{BANDUNG}tunnels: {{fiber: {tunnel}}}\n", "allocations.yaml": allocations}
    config = written(directory / "config", files)
    exchanged: list[str] = []

    def ask(_path: Path, question: Report, _patience: float) -> Report:
        return {"status": {"config": str(config), "branches": []}}[question["ask"]]

    def exchange(_hub: Hub, _intent: Intent, tunnel: str) -> bool:
        exchanged.append(tunnel)
        return True

    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("hub.control.client.ask_controller", ask)
    monkeypatch.setattr(key_exchange, "exchange", exchange)
    return exchanged


@pytest.mark.parametrize("tunnel", BY_HAND)
def test_what_is_not_of_wireguard_is_refused_with_what_to_do_instead(
    tunnel: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    exchanged = running(tmp_path, tunnel, monkeypatch)
    assert main(["keys", "rotate", "bandung/fiber", "--run-dir", str(tmp_path)]) == 1
    said = told(capsys)
    assert all(part in said for part in BY_HAND[tunnel])
    assert exchanged == []


def test_of_a_branch_the_tunnels_that_are_not_exchanged_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    exchanged = running(tmp_path, f"{{transport: ipsec, auth: {CERTIFICATE}}}", monkeypatch)
    assert main(["keys", "rotate", "bandung", "--run-dir", str(tmp_path)]) == 0
    assert exchanged == ["bandung/wireless"]
    assert "bandung/fiber is IPsec" in told(capsys)


def test_the_secret_of_an_ipsec_tunnel_is_exchanged_as_keys_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchanged = running(tmp_path, "{transport: ipsec}", monkeypatch)
    assert main(["keys", "rotate", "bandung", "--run-dir", str(tmp_path)]) == 0
    assert exchanged == ["bandung/fiber", "bandung/wireless"]


def test_what_is_no_tunnel_is_said_to_be_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    running(tmp_path, "{transport: ipsec}", monkeypatch)
    assert main(["keys", "rotate", "malang", "--run-dir", str(tmp_path)]) == 1
    assert '"malang" is no branch and no tunnel here' in told(capsys)


def test_where_the_files_cannot_be_used_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    running(tmp_path, "{transport: ipsec}", monkeypatch)
    (tmp_path / "config" / "network.yaml").write_text("x: 1\n")
    assert main(["keys", "rotate", "bandung", "--run-dir", str(tmp_path)]) == 1
    assert "cannot be used\n    mend: pointsman check" in told(capsys)


def test_the_example_of_the_help_keeps_the_branch_s_keys_to_itself() -> None:
    assert "ssh bandung 'umask 077; cat >/etc/wireguard/fiber.conf" in keys_rotate._EPILOG
