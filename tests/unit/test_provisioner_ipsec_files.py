"""Secrets in files, and what is remembered of what was loaded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hub.provisioner.changes import ProvisionError
from hub.provisioner.ipsec.memory import FILE, Memory, recall, remember
from hub.provisioner.ipsec.secret_files import read_public, read_secret


def written(directory: Path, text: bytes, mode: int = 0o600) -> str:
    """The name of a file with this text."""
    (directory / "solo.psk").write_bytes(text)
    (directory / "solo.psk").chmod(mode)
    return "solo.psk"


def test_a_line_break_at_the_end_is_not_part_of_a_secret(tmp_path: Path) -> None:
    assert read_secret(tmp_path, written(tmp_path, b"correct horse\n")).reveal_bytes() == b"correct horse"


def test_a_secret_does_not_show_itself(tmp_path: Path) -> None:
    secret = read_secret(tmp_path, written(tmp_path, b"correct horse"))
    assert "horse" not in f"{secret} {secret!r}"


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        (None, 0, "is not there"),
        (b"", 0o600, "is empty"),
        (b" \n", 0o600, "is empty"),
        (b"secret", 0o640, "may be read by others (mode 0640)"),
        (b"secret", 0o604, "may be read by others (mode 0604)"),
        (b"x" * 70_000, 0o600, "is longer than"),
    ],
)
def test_a_secret_that_cannot_be_used_is_refused_with_its_mend(
    tmp_path: Path, text: bytes | None, mode: int, said: str
) -> None:
    name = "solo.psk" if text is None else written(tmp_path, text, mode)
    with pytest.raises(ProvisionError, match=r"solo\.psk") as caught:
        read_secret(tmp_path, name)
    assert said in str(caught.value)
    assert caught.value.mend
    assert "secret" not in str(caught.value)


def test_a_directory_in_place_of_a_secret_is_refused(tmp_path: Path) -> None:
    (tmp_path / "solo.psk").mkdir()
    with pytest.raises(ProvisionError, match="cannot be read"):
        read_secret(tmp_path, "solo.psk")


def test_a_certificate_may_be_read_by_all_but_has_to_be_pem(tmp_path: Path) -> None:
    assert read_public(tmp_path, written(tmp_path, b"-----BEGIN", 0o644)) == "-----BEGIN"
    with pytest.raises(ProvisionError, match="is no PEM"):
        read_public(tmp_path, written(tmp_path, b"\x30\x82\xff", 0o644))


def test_what_is_remembered_is_recalled_and_nobody_else_reads_it(tmp_path: Path) -> None:
    memory = (
        recall(tmp_path).with_connection("a", {"version": "2"}).with_secret("a", "digest").with_key("b", ("k", "d"))
    )
    remember(tmp_path, memory)
    assert recall(tmp_path) == memory
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("older", [("certificates",), ("certificates", "loaded_keys", "started")])
def test_a_memory_of_before_an_upgrade_is_one_so_that_nothing_is_loaded_again(
    tmp_path: Path, older: tuple[str, ...]
) -> None:
    own = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    memory = Memory("00" * 32, secrets={"a": "digest"}).with_key("b", ("key", "digest"))
    memory = memory.with_connection("b", {"version": "2", "local": {"certs": [own]}})
    assert memory.certificates
    remember(tmp_path, memory)
    written_now = json.loads((tmp_path / FILE).read_bytes())
    (tmp_path / FILE).write_text(json.dumps({key: each for key, each in written_now.items() if key not in older}))
    assert recall(tmp_path) == memory


def test_a_memory_that_others_may_have_written_is_not_believed_and_is_ours_again_when_written(tmp_path: Path) -> None:
    remember(tmp_path, recall(tmp_path).with_key("a", ("their key", "digest")))
    (tmp_path / FILE).chmod(0o666)
    assert recall(tmp_path).keys == {}
    remember(tmp_path, recall(tmp_path).with_key("a", ("our key", "digest")))
    assert recall(tmp_path).keys == {"a": ("our key", "digest")}


def test_a_link_in_place_of_a_memory_is_not_followed(tmp_path: Path) -> None:
    remember(tmp_path / "elsewhere", recall(tmp_path).with_secret("a", "digest"))
    (tmp_path / FILE).symlink_to(tmp_path / "elsewhere" / FILE)
    assert recall(tmp_path).secrets == {}


def test_a_charon_that_was_started_since_has_lost_what_was_loaded_so_that_what_others_load_later_is_theirs() -> None:
    memory = Memory("00" * 32, certificates={"a": "n", "b": "n"}, loaded_keys={"k": "n", "l": "n"}, started="before")
    memory = memory.with_connection("n", {"version": "2"}).with_secret("n", "digest").with_key("m", ("k", "digest"))
    since = memory.of_charon("now", {"b", "other"}, {"l", "other"})
    assert (since.certificates, since.loaded_keys, since.started) == ({"b": "n"}, {"l": "n"}, "now")
    assert (since.connections, since.secrets, since.keys) == (memory.connections, memory.secrets, memory.keys)
    assert since.of_charon("now", (), ()) == since
    assert memory.of_charon("", (), ()) == memory


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"salt": "zz", "connections": {}, "secrets": {}, "keys": {}, "certificates": {}, "loaded_keys": {}}',
    ],
)
def test_a_memory_that_is_spoilt_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    assert recall(tmp_path).connections == {}


def test_a_memory_that_cannot_be_written_says_so_and_keeps_what_was(tmp_path: Path) -> None:
    remember(tmp_path, recall(tmp_path).with_secret("a", "digest"))
    (tmp_path / f"{FILE}.new").mkdir()
    with pytest.raises(ProvisionError, match="cannot be written"):
        remember(tmp_path, recall(tmp_path).with_secret("a", None))
    assert recall(tmp_path).secrets == {"a": "digest"}


def test_a_digest_is_worth_nothing_without_its_salt_and_tells_parts_apart() -> None:
    one, other = Memory("11" * 32), Memory("22" * 32)
    assert one.digest(b"secret") == one.digest(b"secret")
    assert one.digest(b"secret") != other.digest(b"secret")
    assert one.digest(b"ab", b"c") != one.digest(b"a", b"bc")
