"""Passwords come from their files, and are never in a message."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bgp_network import in_processes, network

from hub.bgp import reload
from hub.bgp.passwords import PasswordError, read_passwords
from hub.bgp.questions import NotConnectedError
from hub.bgp.reload import Site, reconfigure
from hub.bgp.speakers import Speakers
from hub.control.places import Places
from policies.model.ids import TunnelId
from policies.model.intent import Intent, Session


def secret(directory: Path, content: bytes) -> Path:
    file = directory / "secret"
    file.touch(0o600)
    file.write_bytes(content)
    return file


def test_a_password_is_the_line_of_its_file(tmp_path: Path) -> None:
    file = secret(tmp_path, b"correct,horse[7]\n")
    for name in ("secret", str(file)):
        intent = network(2, session=Session(password_file=name))
        assert read_passwords(intent, tmp_path) == {name: "correct,horse[7]"}


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = secret(tmp_path, b"hidden-horse")
    file.chmod(0o640)
    with pytest.raises(PasswordError, match=f"can be read by others: chmod 600 {file}"):
        read_passwords(network(1, session=Session(password_file=str(file))), tmp_path)


def test_without_files_there_are_no_passwords() -> None:
    assert read_passwords(network(2), Path()) == {}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "cannot be read (No such file or directory): write it there"),
        (b"", "is empty: write it there"),
        (b"\n", "is empty"),
        (b"x" * 81, "has 81 characters: at most 80"),
        ("h\u00e9mlig".encode(), "has characters beyond ASCII"),
        (b"hidden horse", "has spaces or line breaks: use one word"),
        (b"hidden\nhorse\n", "has spaces or line breaks"),
        (b'hidden"horse', "has a quote or a backslash"),
        (b"hidden\\horse", "has a quote or a backslash"),
    ],
)
def test_a_password_that_cannot_be_used_is_told_by_its_file_only(
    tmp_path: Path, content: bytes | None, why: str
) -> None:
    file = tmp_path / "secret" if content is None else secret(tmp_path, content)
    with pytest.raises(PasswordError) as caught:
        read_passwords(network(1, session=Session(password_file=str(file))), tmp_path)
    told = str(caught.value)
    assert told.startswith(f"{file}: the password of b1's BGP sessions {why}")
    assert "horse" not in told
    assert "mlig" not in told
    assert "\n" not in told


class NobodyThere:
    """A client of one ExaBGP without a relay."""

    processes = (1,)

    def __init__(self) -> None:
        self.intents: list[Intent] = []

    def reconfigure(self, intent: Intent) -> None:
        """Note it."""
        self.intents.append(intent)

    async def retire(self, _tunnels: object, _leaving: object) -> None:
        """There is nobody to withdraw from."""

    async def ask(self, _process: int, _command: object) -> None:
        """There is nobody to answer."""
        raise NotConnectedError


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client without a relay, for which is not waited long."""
    monkeypatch.setattr(reload, "TAKEN_WITHIN", 0.01)
    return NobodyThere()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Where ExaBGP's files are."""
    return Site(Places(run=tmp_path, state=tmp_path))


def test_a_password_that_goes_missing_changes_nothing_at_a_reload(site: Site, nobody: Any) -> None:
    path = site.places.exabgp_config(1)
    path.write_text("as it was")
    wanted = network(1, session=Session(password_file="secret"))  # noqa: S106 - the name of a file
    outcome = asyncio.run(reconfigure(nobody, network(1), wanted, site))
    assert not outcome.taken
    assert "cannot be read" in outcome.problems[0]
    assert path.read_text() == "as it was"
    assert nobody.intents == []


def test_at_a_start_a_branch_without_its_password_does_not_keep_the_others_from_bgp(site: Site, nobody: Any) -> None:
    plain = network(2)
    lacking = replace(plain.branches["b2"], session=Session(password_file="secret"))  # noqa: S106 - a file's name
    wanted = replace(plain, branches={**plain.branches, "b2": lacking})
    outcome = asyncio.run(reconfigure(nobody, wanted, wanted, site))
    assert outcome.taken
    assert "cannot be read" in outcome.problems[0]
    text = site.places.exabgp_config(1).read_text()
    assert "neighbor 10.255.1.1 {" in text
    assert "neighbor 10.255.2.1 {" not in text


def test_the_process_of_a_branch_without_its_password_is_kept_and_spoken_of_as_before(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a start; everything else goes on, and the branch's process waits for the password."""
    monkeypatch.setattr(reload, "validate", lambda _path: None)
    monkeypatch.setattr(reload, "TAKEN_WITHIN", 0.0)
    lacking = Session(password_file="b.password")  # noqa: S106 - the name of a file
    intent = in_processes(network(2, session=lacking), {"b2": 2})
    readable = {**intent.branches, "b1": replace(intent.branches["b1"], session=Session())}
    wanted = replace(intent, branches=readable)

    async def scene() -> Speakers:
        speakers = Speakers(wanted, site.places.relay_socket, lambda _: None, time.monotonic)
        outcome = await reconfigure(speakers, wanted, wanted, site)
        assert "b.password" in outcome.problems[0]
        speakers.want({tunnel: {} for tunnel in wanted.tunnels()}, frozenset(wanted.tunnels()))
        assert not speakers.close(TunnelId("b2", "fiber"))
        return speakers

    assert asyncio.run(scene()).processes == (1, 2)
    assert site.places.configured_processes() == {1, 2}
