"""keys list as a user runs it, the ages that the provisioner tells, and what check and status say of old ones."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from config_directories import ALLOCATIONS, BANDUNG, NETWORK, written

from hub.cli import keys
from hub.cli.check_keys import with_old_keys
from hub.config import read
from hub.control.lines import LineReader, encode
from hub.control.places import Places
from hub.controller.tunnels import Tunnels
from hub.lab import record
from hub.lab.names import HOME_VARIABLE, LabPlace
from hub.lab.plan import plan
from hub.provisioner.from_intent import wanted_of
from hub.provisioner.kept_keys import kept_keys, kept_of, kept_report, keys_ask, may_look
from hub.provisioner.keys.store import KeyStore
from hub.provisioner.remembered import Remembered
from policies.key_ages import KeptKey
from policies.model.intent import Intent, Security

DAY = 86_400.0
RADIO = ALLOCATIONS.replace("wireless", "radio")
IPSEC = {
    "branches/bandung.yaml": f"{BANDUNG}tunnels: {{fiber: {{transport: ipsec}}}}\n",
    "allocations.yaml": ALLOCATIONS.replace("51000}", "51000, loopbacks: 10.255.1.0/31}"),
}


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """A hub whose fiber has a secret of 400 days, and whose wireless has keys of two."""
    config = written(tmp_path / "config", IPSEC)
    made = Places(config=config, run=tmp_path / "run", state=tmp_path / "state")
    made.secrets.mkdir(parents=True)
    made.run.mkdir()
    secret = made.secrets / "bandung-fiber.psk"
    secret.write_text("wj1XyyCZ1aPwOgVJJqHkS4FvZ0tq9bDk\n")
    secret.chmod(0o600)
    os.utime(secret, (time.time() - 400.3 * DAY,) * 2)
    KeyStore(made.keys, clock=lambda: time.time() - 2.5 * DAY).make(["bandung/wireless"])
    return made


def run(places: Places, *arguments: str) -> int:
    parser = argparse.ArgumentParser()
    keys.add(parser.add_subparsers(required=True))
    options = parser.parse_args(["keys", "list", "--config", str(places.config), *arguments])
    status: int = options.run(options)
    return status


def intent_of(places: Places) -> Intent:
    intent = read(places.config).intent
    assert intent is not None
    return intent


def test_every_key_is_listed_with_its_age(places: Places, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(places, "--state-dir", str(places.state)) == 0
    out = capsys.readouterr().out
    rows = [line.split() for line in out.splitlines() if line.startswith("bandung/")]
    assert rows == [
        ["bandung/fiber", "secret", "bandung-fiber.psk", "400d", "too", "old"],
        ["bandung/wireless", "WireGuard", "2d"],
    ]
    assert "the IPsec secrets of bandung/fiber are 400 days old, more than the 365 days of key-age\n    mend: " in out


def test_no_key_is_ever_in_what_is_told(places: Places, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ((), ("--json",)):
        assert run(places, "--state-dir", str(places.state), *arguments) == 0
    out = capsys.readouterr().out
    secrets = [path.read_text().strip() for path in places.state.rglob("*.key")]
    secrets += [path.read_text().strip() for path in places.secrets.iterdir()]
    assert len(secrets) == 3
    assert not [secret for secret in secrets if secret in out]


def test_the_data_is_for_programs(places: Places, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(places, "--state-dir", str(places.state), "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["key-age-days"] == 365
    assert [(each["tunnel"], each["kind"], each["old"]) for each in answer["keys"]] == [
        ("bandung/fiber", "secret", True),
        ("bandung/wireless", "wireguard", False),
    ]
    assert [each["key"] for each in answer["problems"]] == ["key-age:secret"]


def test_what_is_missing_or_wrong_is_said_of_its_tunnel(places: Places, capsys: pytest.CaptureFixture[str]) -> None:
    (places.secrets / "bandung-fiber.psk").unlink()
    (places.keys / "bandung" / "wireless" / "hub.key").chmod(0o644)
    assert run(places, "--state-dir", str(places.state)) == 0
    out = capsys.readouterr().out
    assert f"there is no file {places.secrets}/bandung-fiber.psk" in out
    assert "hub.key can be read by others (mode 0644)" in out


def test_keys_that_are_not_made_yet_are_said_to_be_so(places: Places) -> None:
    kept = kept_keys(wanted_of(intent_of(places)), KeyStore(places.state / "none"), places.secrets)
    assert [each.fault for each in kept] == ["", "not made yet: pointsman apply"]


def test_a_certificate_that_cannot_be_read_hides_no_other_key(places: Places) -> None:
    auth = "auth: {certificate: hub.pem, key-file: hub.key, authority: ca.pem}"
    branch = f"{BANDUNG}tunnels: {{fiber: {{transport: ipsec, {auth}}}}}\n"
    written(places.config, {**IPSEC, "branches/bandung.yaml": branch})
    (places.secrets / "hub.pem").write_text("nothing\n")
    fiber, wireless = kept_keys(wanted_of(intent_of(places)), KeyStore(places.keys), places.secrets)
    assert fiber.fault == f"{places.secrets}/hub.pem: no PEM of a certificate"
    assert wireless.made is not None


def test_what_is_told_is_what_was_kept(places: Places, tmp_path: Path) -> None:
    wanted = wanted_of(intent_of(places))
    remembered = Remembered(tmp_path / "provisioner.json")
    ask = keys_ask(lambda w: kept_keys(w, KeyStore(places.keys), places.secrets), remembered)
    assert ask({"ask": "keys"}) == {"keys": []}
    remembered.wanted = wanted
    report = json.loads(json.dumps(ask({"ask": "keys"})))
    assert kept_of(report["keys"]) == kept_keys(wanted, KeyStore(places.keys), places.secrets)


@pytest.mark.parametrize("report", [None, 3, [3], [{"tunnel": "bandung/fiber"}]])
def test_what_another_version_tells_is_nothing(report: object) -> None:
    assert kept_of(report) == ()


@contextmanager
def provisioner(places: Places, answer: dict[str, Any]) -> Iterator[list[str]]:
    """Something that answers questions at the provisioner's socket; what it was asked."""
    asked: list[str] = []
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(places.provisioner_socket))
    listener.listen(8)

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                (question,) = LineReader().feed(connection.recv(1 << 16))
                asked.append(str(question["ask"]))
                connection.sendall(encode({"answer": answer[asked[-1]]}))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield asked
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


OLD = KeptKey("bandung/fiber", "wireguard", made=0.0)


def test_who_may_not_look_asks_the_provisioner(places: Places, capsys: pytest.CaptureFixture[str]) -> None:
    with provisioner(places, {"keys": {"keys": kept_report([OLD])}}) as asked:
        assert run(places, "--run-dir", str(places.run), "--json") == 0
    assert asked == ["keys"]
    assert json.loads(capsys.readouterr().out)["keys"][0]["old"] is True


def test_where_nobody_tells_that_is_said(
    places: Places, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(places, "--run-dir", str(places.run)) == 3
    monkeypatch.setattr("hub.provisioner.kept_keys.os.access", lambda *_: False)
    assert not may_look(places.state)
    assert run(places, "--run-dir", str(places.run), "--state-dir", str(places.state)) == 3
    error = capsys.readouterr().err
    assert f"you may not look into {places.state}, and no provisioner is running here" in error
    assert "mend: systemctl start pointsman-provisioner, or repeat this with sudo" in error


def test_without_a_usable_configuration_nobody_knows_which_tunnels(
    places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    (places.config / "network.yaml").write_text("x: 1\n")
    assert run(places, "--state-dir", str(places.state)) == 1
    assert "mend: pointsman check" in capsys.readouterr().err


def test_check_warns_of_old_keys_where_key_age_is_written(places: Places) -> None:
    def warned() -> list[str]:
        return [str(problem) for problem in with_old_keys(read(places.config), places).problems]

    (found,) = warned()
    assert found.startswith("network.yaml:1:1: warning: the IPsec secrets of bandung/fiber are 400 days old")
    (places.config / "network.yaml").write_text(f"{NETWORK}security: {{key-age: 1d}}\n")
    assert [each.partition(" are ")[0] for each in warned()] == [
        "network.yaml:12:21: warning: the IPsec secrets of bandung/fiber",
        "network.yaml:12:21: warning: the WireGuard keys of bandung/wireless",
    ]
    (places.config / "network.yaml").write_text(f"{NETWORK}security: {{key-age: 500d}}\n")
    assert warned() == []


def test_check_says_nothing_of_keys_that_this_user_may_not_see(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.provisioner.kept_keys.os.access", lambda *_: False)
    assert with_old_keys(read(places.config), places).problems == ()


def test_old_keys_are_a_fault_of_the_running_hub(places: Places) -> None:
    intent = SimpleNamespace(security=Security())
    loop = SimpleNamespace(intent=intent, problems={}, made={})
    status = {"targets": {}, "refused": [], "findings": [], "failed": []}
    tunnels = Tunnels(places.provisioner_socket, loop, lambda _: None, lambda: 400 * DAY)  # type: ignore[arg-type]
    with provisioner(places, {"status": status, "keys": {"keys": kept_report([OLD])}}) as asked:
        for _ in range(3):
            asyncio.run(tunnels._look())
        text, mend = loop.problems["tunnels:key-age:wireguard"]
        assert "the WireGuard keys of bandung/fiber are 400 days old" in text
        assert mend == "pointsman keys rotate bandung/fiber"
        assert asked.count("keys") == 1
    asyncio.run(tunnels._look())
    assert "tunnels:key-age:wireguard" in loop.problems, "what was wrong is not right because nobody says so"
    assert "does not answer" in loop.problems["tunnels:silent"][0]
    places.provisioner_socket.unlink()
    asyncio.run(tunnels._look())
    assert loop.problems == {}


def test_what_kept_a_tunnel_from_being_made_is_known_of_it(places: Places) -> None:
    loop = SimpleNamespace(intent=SimpleNamespace(security=Security()), problems={}, made={})
    where = {"slice": "ipsec", "target": "bandung/fiber"}
    refused = {**where, "text": "this kernel makes no gre interfaces", "mend": "modprobe ip_gre"}
    failed = {**where, "target": "bandung/wireless", "text": "make wg1", "error": "it is not there", "mend": ""}
    targets = {name: {"interface": name[8:]} for name in ("bandung/fiber", "bandung/wireless", "bandung/old")}
    status = {"targets": targets, "refused": [refused], "findings": [], "failed": [failed]}
    tunnels = Tunnels(places.provisioner_socket, loop, lambda _: None, lambda: 0.0)  # type: ignore[arg-type]
    with provisioner(places, {"status": status, "keys": {"keys": []}}):
        asyncio.run(tunnels._look())
    assert {name: facts.get("hindered") for name, facts in loop.made.items()} == {
        "bandung/fiber": {"text": "this kernel makes no gre interfaces", "mend": "modprobe ip_gre"},
        "bandung/wireless": {"text": "make wg1: it is not there", "mend": ""},
        "bandung/old": None,
    }


def forget(places: Places, target: str, *where: str) -> int:
    parser = argparse.ArgumentParser()
    keys.add(parser.add_subparsers(required=True))
    usual = ("--config", str(places.config), "--state-dir", str(places.state), "--run-dir", str(places.run))
    options = parser.parse_args(["keys", "forget", target, *(where or usual)])
    status: int = options.run(options)
    return status


def test_keys_of_a_tunnel_that_is_gone_are_said_and_forgotten(
    places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    store = KeyStore(places.keys)
    store.make(["malang/fiber", "malang/lte"])
    assert run(places, "--state-dir", str(places.state)) == 0
    assert "no tunnel is made with them: pointsman keys forget malang/fiber" in capsys.readouterr().out
    assert forget(places, "malang/lte") == 0
    assert store.tunnels() == ("bandung/wireless", "malang/fiber")
    assert forget(places, "malang") == 0
    assert store.tunnels() == ("bandung/wireless",)
    assert forget(places, "malang") == 1
    assert "has no keys of malang" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("target", "mend"),
    [
        ("bandung", "if all of the branch is to go: pointsman branch remove bandung"),
        (
            "bandung/wireless",
            "for other keys: pointsman keys rotate{run} bandung/wireless; if it is to go: take it out of ",
        ),
    ],
)
def test_keys_of_a_tunnel_of_the_files_are_kept(
    places: Places, capsys: pytest.CaptureFixture[str], target: str, mend: str
) -> None:
    assert forget(places, target) == 1
    text = f"bandung/wireless is in {places.config}, and made with its keys\n    mend: "
    text += mend.format(run=f" --run-dir {places.run}")
    assert text in capsys.readouterr().err
    assert KeyStore(places.keys).tunnels() == ("bandung/wireless",)


def test_keys_of_a_tunnel_that_is_made_without_them_by_now_are_forgotten(
    places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    store = KeyStore(places.keys)
    store.make(["bandung/fiber"])  # which is IPsec
    assert forget(places, "bandung") == 1
    forgets = f"pointsman keys forget --run-dir {places.run} bandung/fiber"
    assert f"mend: name the one that is made without: {forgets}" in capsys.readouterr().err
    before = wanted_of(intent_of(places))
    Remembered(places.provisioner_state).keep(before)
    assert forget(places, "bandung/fiber") == 0
    adopted = "tunnels: {fiber: {transport: ipsec}, wireless: {existing: wg-old, link: 10.255.0.2/31}}"
    written(places.config, {**IPSEC, "branches/bandung.yaml": f"{BANDUNG}{adopted}\n"})
    assert forget(places, "bandung/wireless") == 1
    assert "bandung/wireless is still made by the provisioner" in capsys.readouterr().err
    Remembered(places.provisioner_state).keep(wanted_of(intent_of(places)))
    assert forget(places, "bandung/wireless") == 0
    assert store.tunnels() == ()


def test_keys_of_a_tunnel_that_is_still_made_are_kept(places: Places, capsys: pytest.CaptureFixture[str]) -> None:
    Remembered(places.provisioner_state).keep(wanted_of(intent_of(places)))
    written(places.config, {"branches/bandung.yaml": BANDUNG.replace("wireless", "radio"), "allocations.yaml": RADIO})
    assert forget(places, "bandung/wireless") == 1
    assert "bandung/wireless is still made by the provisioner" in capsys.readouterr().err
    assert KeyStore(places.keys).tunnels() == ("bandung/wireless",)


def test_while_the_files_cannot_tell_keys_are_kept(places: Places, capsys: pytest.CaptureFixture[str]) -> None:
    (places.config / "network.yaml").write_text("x: 1\n")
    assert forget(places, "bandung/wireless") == 1
    assert "the configuration cannot be used" in capsys.readouterr().err
    assert KeyStore(places.keys).tunnels() == ("bandung/wireless",)


@pytest.fixture
def lab(places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KeyStore:
    """The keys of a lab that is up, of tunnels of its own files and of a branch that is gone."""
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "labs"))
    place = LabPlace("second", tmp_path / "labs")
    place.state.mkdir(parents=True)
    record.write(record.Lab(place, plan(intent_of(places)), places.config, kernel_wireguard=True))
    store = KeyStore(place.keys, clock=lambda: time.time() - 2.5 * DAY)
    store.make(["bandung/wireless", "malang/fiber"])
    return store


def test_keys_of_a_lab_are_forgotten_by_its_name_and_by_its_own_files(
    places: Places, lab: KeyStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert forget(places, "malang", "--name", "second") == 0
    assert lab.tunnels() == ("bandung/wireless",)
    assert forget(places, "bandung/wireless", "--name", "second") == 1
    assert f"bandung/wireless is in {places.config}" in capsys.readouterr().err


def test_keys_of_a_lab_are_listed_by_its_name(
    places: Places, lab: KeyStore, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = argparse.ArgumentParser()
    keys.add(parser.add_subparsers(required=True))
    options = parser.parse_args(["keys", "list", "--name", "second"])
    assert options.run(options) == 0
    out = capsys.readouterr().out
    assert "malang/fiber" in out
    assert "bandung/wireless" in out


def test_where_only_sockets_are_named_no_keys_of_another_hub_are_forgotten(
    places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ("--config", str(places.config), "--run-dir", str(places.run))
    assert forget(places, "malang", *where) == 1
    assert "does not say where the keys of its hub are\n    mend: name it: --state-dir DIR" in capsys.readouterr().err
