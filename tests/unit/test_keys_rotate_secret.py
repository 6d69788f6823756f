"""`pointsman keys rotate` of an IPsec tunnel: the order of its steps, what the branch gets, and which secret holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from config_directories import ALLOCATIONS, BANDUNG, written
from key_exchange_rig import TUNNEL, Report, told

from hub.cli import key_exchange
from hub.cli.key_bringing import Wishes
from hub.cli.key_exchange import Hub, exchange
from hub.config import read
from hub.control.client import RefusedError
from hub.provisioner.ipsec.secret_exchange import SecretFiles, Stage
from policies.model.intent import Intent

FILE, OLD = "bandung-fiber.psk", "correct horse battery staple 2026"


class Rig:
    """A hub that writes down what it was asked. The branch is heard after `after` questions; None: never.

    `established` is whether it at least makes an SA; `lives` is what liveness says of the tunnels.
    """

    def __init__(self, directory: Path, intent: Intent, after: int | None) -> None:
        self.intent = intent
        self.files = SecretFiles(directory)
        self.asked: list[str] = []
        self.after = after
        self.established = False
        self.hub_begins = False
        self.fails: dict[str, BaseException] = {}
        self.lives = {"fiber": "up", "wireless": "up"}

    def exchanged(self, push_with: str | None, *, seconds: float = 0.0, force: bool = False) -> bool:
        wishes = Wishes(push_with, plain=False, seconds=seconds, force=force, reason="stolen" if force else "")
        hub = Hub(self.controller, self.provisioner, self.idle, wishes)
        return exchange(hub, self.intent, TUNNEL)

    def idle(self, _drain: Report, _begun: float) -> str:
        self.asked.append("idle")
        return ""

    def controller(self, question: Report) -> Report:
        self.asked.append(question["ask"])
        tunnels = [
            {"tunnel": name, "liveness": lives, "session": "up", "drained": []} for name, lives in self.lives.items()
        ]
        return {"overrides": [{"number": 7}], "branches": [{"branch": "bandung", "tunnels": tunnels}]}

    def provisioner(self, question: Report) -> Report:
        ask = question["ask"]
        self.asked.append(ask)
        if (error := self.fails.get(ask)) is not None:
            raise error
        if ask == "rotate-begin":
            self.files.mark(FILE, replace(self.files.begin(TUNNEL, FILE), stage=Stage.SWITCHED))
        if ask == "rotate-rollback":
            self.files.abandon(FILE)
        if ask == "rotate-commit":
            self.files.commit(FILE)
        return {
            "keys": str(self.files.directory),
            "secret_file": FILE,
            "hub_begins": self.hub_begins,
            "established": self.established,
            "verified": self.after is not None and self.asked.count("rotate-status") > self.after,
        }

    def held(self) -> tuple[str, str | None]:
        new = self.files.staged(TUNNEL, FILE)
        return self.files.present(FILE).reveal(), new and new.reveal()


@pytest.fixture
def rig_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int | None], Rig]:
    ends = ALLOCATIONS.replace("51000}", "51000, loopbacks: 10.255.1.0/31}")
    branch = f"{BANDUNG}tunnels: {{fiber: {{transport: ipsec}}}}\n"
    config = written(tmp_path / "config", {"branches/bandung.yaml": branch, "allocations.yaml": ends})
    intent = read(config).intent
    assert intent is not None
    secrets = tmp_path / "secrets"
    secrets.mkdir(mode=0o750)
    (secrets / FILE).write_text(OLD + "\n")
    (secrets / FILE).chmod(0o600)
    monkeypatch.setattr(key_exchange, "_ASK_EVERY", 0.001)
    return lambda after: Rig(secrets, intent, after)


def test_a_tunnel_is_drained_gets_its_new_secret_at_both_ends_and_is_undrained(
    rig_of: Callable[[int | None], Rig], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = rig_of(2)
    assert rig.exchanged(f"cat >{tmp_path}/text", seconds=20)
    new, staged = rig.held()
    assert new != OLD
    assert staged is None
    assert f'secret = "{new}"' in (tmp_path / "text").read_text()
    assert rig.asked[:4] == ["rotate-status", "drain", "idle", "rotate-begin"]
    assert rig.asked[-2:] == ["rotate-commit", "undrain"]
    out, err = capsys.readouterr()
    assert "an SA by the new secret, and an answer over it after" in out
    assert (OLD in out + err, new in out + err) == (False, False)


def test_without_a_command_the_text_is_shown_and_where_it_belongs(
    rig_of: Callable[[int | None], Rig], capsys: pytest.CaptureFixture[str]
) -> None:
    rig = rig_of(1)
    assert rig.exchanged(None, seconds=20)
    out = capsys.readouterr().out
    assert "paste this as /etc/swanctl/conf.d/pointsman.conf of bandung, then swanctl --load-creds" in out
    assert f'secret = "{rig.held()[0]}"' in out


def test_a_branch_that_keeps_the_old_secret_has_it_in_force_and_is_given_its_old_text(
    rig_of: Callable[[int | None], Rig], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = rig_of(None)
    assert not rig.exchanged(f"cat >{tmp_path}/text")
    assert rig.held() == (OLD, None)
    assert OLD in (tmp_path / "text").read_text()
    assert rig.asked[-2:] == ["rotate-rollback", "undrain"]
    said = told(capsys)
    assert "no SA by the new secret within 0 s; its old secret is in force at the hub, and the branch was given" in said


def test_an_sa_over_which_nothing_is_heard_is_not_enough(
    rig_of: Callable[[int | None], Rig], capsys: pytest.CaptureFixture[str]
) -> None:
    rig = rig_of(None)
    rig.established = True
    assert not rig.exchanged("cat >/dev/null")
    assert "an SA by the new secret, but no answer over it within 0 s" in told(capsys)
    assert rig.held() == (OLD, None)


def test_liveness_must_hear_the_branch_too(rig_of: Callable[[int | None], Rig]) -> None:
    rig = rig_of(0)
    rig.lives["fiber"] = "down"
    assert not rig.exchanged("cat >/dev/null")
    assert rig.held() == (OLD, None)


def test_a_hub_that_may_begin_does_so_when_the_branch_has_its_text(rig_of: Callable[[int | None], Rig]) -> None:
    rig = rig_of(3)
    rig.hub_begins = True
    assert rig.exchanged("cat >/dev/null", seconds=20)
    assert rig.asked.count("rotate-begin") == 2


def test_what_cannot_be_exchanged_is_refused_before_it_is_drained(rig_of: Callable[[int | None], Rig]) -> None:
    rig = rig_of(0)
    rig.fails["rotate-status"] = RefusedError("bandung/fiber has its secret together with bandung/wireless")
    with pytest.raises(RefusedError, match="together with"):
        rig.exchanged("cat >/dev/null")
    assert rig.asked == ["rotate-status"]


def test_a_provisioner_that_cannot_go_back_leaves_both_and_says_so(
    rig_of: Callable[[int | None], Rig], capsys: pytest.CaptureFixture[str]
) -> None:
    rig = rig_of(None)
    rig.fails["rotate-rollback"] = RefusedError("charon does not answer")
    assert not rig.exchanged("cat >/dev/null")
    said = told(capsys)
    assert (
        "its new secret stands beside the old one, and the hub's end may have either (charon does not answer)" in said
    )
    assert "--back for the old one, or without --back to go on" in said
    assert rig.held()[1] is not None


def test_of_a_dead_branch_the_hub_has_the_new_secret_at_once(
    rig_of: Callable[[int | None], Rig], capsys: pytest.CaptureFixture[str]
) -> None:
    rig = rig_of(None)
    rig.lives = dict.fromkeys(rig.lives, "down")
    assert rig.exchanged(None, force=True)
    new, staged = rig.held()
    assert (new != OLD, staged) == (True, None)
    out = capsys.readouterr().out
    assert (
        "its new secret is in force at the hub; no tunnel of bandung lives, so nothing can show that it has it" in out
    )
    assert "router print bandung --part swanctl --with-keys" in out
    assert new not in out
