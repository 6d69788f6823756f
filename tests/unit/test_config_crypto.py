"""What `check` says of proposals, of the version of IKE and of secrets: its place, its mend and its weight."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from config_directories import ALLOCATIONS, BANDUNG, EXAMPLE, reading, said, written
from hypothesis import given
from hypothesis import strategies as st

from hub.cli.main import main
from hub.config import Severity, read
from hub.config.algorithms import ALGORITHMS, ROUTEROS_ESP, ROUTEROS_IKE, Role
from hub.config.proposals import complaints, routeros_cannot
from hub.config.secret_files import LEAST_BITS, guessed_bits
from policies.model.transport import Ipsec, PresharedKey

PAGE = (EXAMPLE.parents[1] / "docs" / "reference" / "crypto.md").read_text()
LESS = ALLOCATIONS.replace("link: 10.255.0.0/31, ", "")
LINES = ALLOCATIONS.replace("51000}", "51000, loopbacks: 10.255.1.0/31}")
IKE, ESP = True, False


def tunnel(keys: str, *, router: str = "") -> dict[str, str | bytes]:
    """The right configuration, with its fiber by IPsec."""
    branch = f"{BANDUNG}{router}tunnels:\n  fiber:\n    transport: ipsec\n{keys}"
    return {"branches/bandung.yaml": branch, "allocations.yaml": LINES}


@pytest.mark.parametrize("proposal", [*Ipsec(PresharedKey(""), "", "").ike, "aes256gcm16-prfsha384-x25519"])
def test_a_strong_proposal_of_ike_passes(proposal: str) -> None:
    assert list(complaints(proposal, of_ike=IKE)) == []


@pytest.mark.parametrize(
    "proposal", [*Ipsec(PresharedKey(""), "", "").esp, "chacha20poly1305-ecp384", "aes256-sha512-modp3072-noesn"]
)
def test_a_strong_proposal_of_esp_passes(proposal: str) -> None:
    assert list(complaints(proposal, of_ike=ESP)) == []


@pytest.mark.parametrize(
    ("word", "of_ike", "why"),
    [
        ("des", IKE, "broken"),
        ("3des", IKE, "64 bits"),
        ("aes128", IKE, "shorter than 256 bits"),
        ("aes192", ESP, "shorter than 256 bits"),
        ("null", ESP, "encrypts nothing"),
        ("blowfish", ESP, "retired"),
        ("md5", IKE, "MD5"),
        ("sha1", IKE, "SHA-1"),
        ("modp768", IKE, "too small"),
        ("modp1024", ESP, "too small"),
        ("modp1536", ESP, "too small"),
        ("modp1024s160", IKE, "how its group was made"),
        ("none", ESP, "no key exchange"),
    ],
)
def test_a_weak_algorithm_is_refused_for_its_reason(word: str, of_ike: bool, why: str) -> None:
    strong = {Role.ENCRYPTION: "aes256", Role.INTEGRITY: "sha256", Role.GROUP: "ecp256"}
    strong[ALGORITHMS[word].role] = word
    (found,) = complaints("-".join(strong.values()), of_ike=of_ike)
    assert found.refused
    assert f"{word} is refused: " in found.text
    assert why in found.text
    assert found.mend
    assert "in its place" in found.mend


@pytest.mark.parametrize("word", ["modp2048", "ecp224", "sha256_96", "aescmac", "aes256gcm8"])
def test_a_doubtful_algorithm_is_warned_of(word: str) -> None:
    other = {Role.GROUP: "aes256-sha256", Role.INTEGRITY: "aes256-ecp256", Role.AEAD: "ecp256"}
    (found,) = complaints(f"{other[ALGORITHMS[word].role]}-{word}", of_ike=ESP)
    assert not found.refused


@pytest.mark.parametrize(
    ("proposal", "of_ike", "text", "mend"),
    [
        ("aes256-sha256", ESP, "no perfect forward secrecy", "write aes256-sha256-ecp256"),
        ("aes256-sha256", IKE, "no key exchange", "write aes256-sha256-ecp256"),
        ("aes256-ecp256", ESP, "no integrity", "add sha256"),
        ("aes256gcm16-ecp256", IKE, "no pseudo-random function", "add prfsha256"),
        ("sha256-ecp256", IKE, "no encryption", "write aes256-sha256-ecp256"),
        ("aes256-aes256gcm16-sha256-ecp256", ESP, "cannot be in one proposal", "make two"),
        ("aes256-sha256-prfsha256-ecp256", ESP, "prfsha256 is of IKE", "remove it"),
        ("aes256-sha265-ecp256", IKE, '"sha265" is no algorithm', 'write "sha256"'),
        ("default", ESP, '"default" is no algorithm', "write it out"),
    ],
)
def test_what_a_proposal_lacks_is_said(proposal: str, of_ike: bool, text: str, mend: str) -> None:
    (found,) = complaints(proposal, of_ike=of_ike)
    assert found.refused
    assert text in found.text
    assert mend in (found.mend or "")


def test_one_weak_choice_among_strong_ones_makes_a_proposal_weak() -> None:
    (found,) = complaints("aes256-aes128-sha256-ecp256", of_ike=IKE)
    assert "aes128 is refused" in found.text


@given(st.lists(st.sampled_from(sorted(ALGORITHMS)), min_size=1, max_size=8), st.booleans())
def test_what_passes_has_a_strong_cipher_integrity_and_a_key_exchange(words: list[str], of_ike: bool) -> None:
    found = list(complaints("-".join(words), of_ike=of_ike))
    algorithms = [ALGORITHMS[word] for word in words]
    roles = {algorithm.role for algorithm in algorithms}
    if not any(complaint.refused for complaint in found):
        assert not any(algorithm.refused for algorithm in algorithms)
        assert Role.GROUP in roles
        assert Role.AEAD in roles or {Role.ENCRYPTION, Role.INTEGRITY} <= roles


@pytest.mark.parametrize(
    ("proposal", "of_ike", "cannot"),
    [
        ("aes256gcm16-prfsha256-ecp256", IKE, ("aes256gcm16",)),
        ("aes256-sha256-x25519", IKE, ()),
        ("aes256gcm16-x25519", ESP, ("x25519",)),
        ("aes256gcm16-x25519-ecp256", ESP, ()),
        ("aes256gcm16-ecp256", ESP, ()),
        ("aes256-sha256-ecp256bp", IKE, ("ecp256bp",)),
    ],
)
def test_what_routeros_lacks_is_known(proposal: str, of_ike: bool, cannot: tuple[str, ...]) -> None:
    assert routeros_cannot(proposal, of_ike=of_ike) == cannot


def test_routeros_is_said_to_have_words_that_there_are() -> None:
    assert ALGORITHMS.keys() >= ROUTEROS_IKE | ROUTEROS_ESP


def test_every_proposal_has_its_place(tmp_path: Path) -> None:
    configuration = reading(tmp_path, tunnel("    ike: [aes256-sha256-ecp256, 3des-sha256-ecp256]\n"))
    assert said(configuration).startswith("branches/bandung.yaml:9:33: ike: 3des-sha256-ecp256: 3des is refused: ")
    assert configuration.intent is None


def test_a_doubtful_proposal_can_be_used(tmp_path: Path) -> None:
    configuration = reading(tmp_path, tunnel("    esp: aes256gcm16-modp2048\n"))
    assert "9:10: warning: esp: aes256gcm16-modp2048: modp2048: as strong as a key of 112 bits" in said(configuration)
    assert configuration.intent is not None


def test_ikev1_is_refused(tmp_path: Path) -> None:
    assert "9:18: ike-version: 1 is retired (RFC 9395)" in said(reading(tmp_path, tunnel("    ike-version: 1\n")))


def test_what_routeros_cannot_is_refused_only_if_nothing_is_left(tmp_path: Path) -> None:
    router = "router: {kind: routeros}\n"
    both = tunnel("    ike: [aes256gcm16-prfsha256-ecp256, aes256-sha256-ecp256]\n", router=router)
    configuration = reading(tmp_path, both)
    assert said(configuration).startswith("branches/bandung.yaml:10:11: warning: ike: aes256gcm16-prfsha256-ecp256: ")
    assert "RouterOS has no aes256gcm16 for the IKE SA" in said(configuration)
    assert configuration.intent is not None
    alone = tunnel("    ike: aes256gcm16-prfsha256-ecp256\n", router=router)
    assert reading(tmp_path, alone).intent is None


def test_routeros_has_no_interface_of_ipsec_alone(tmp_path: Path) -> None:
    files = tunnel("    inner: xfrm\n", router="router: {kind: routeros}\n")
    assert "10:12: inner: xfrm: RouterOS has no interface made of IPsec alone" in said(reading(tmp_path, files))


def test_an_adopted_tunnel_is_not_judged(tmp_path: Path) -> None:
    tunnel = "{existing: ipsec0, link: 10.254.0.0/31}"
    files = {"branches/bandung.yaml": f"{BANDUNG}tunnels: {{fiber: {tunnel}}}\n", "allocations.yaml": LESS}
    assert said(reading(tmp_path, files)) == ""


@pytest.mark.parametrize(
    ("secret", "said_of_it"),
    [
        (b"short\n", "is 5 characters: at least 20 are wanted"),
        (b"\n", "is empty: at least 20 are wanted"),
        (b"passwordpasswordpassword\n", "is long, but repeats itself"),
        (b"\xff\xfe" * 20, "is long, but repeats itself"),
    ],
)
def test_a_secret_that_can_be_guessed_is_warned_of_and_never_shown(
    tmp_path: Path, secret: bytes, said_of_it: str
) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    file = secrets / "bandung-fiber.psk"
    file.write_bytes(secret)
    file.chmod(0o600)
    configuration = read(written(tmp_path / "config", tunnel("    mtu: 1380\n")), secrets=secrets)
    (problem,) = configuration.problems
    assert problem.severity is Severity.WARNING
    assert f"psk-file: {file} {said_of_it}" in problem.text
    assert "short" not in str(problem)
    assert "passwordpassword" not in str(problem)


def test_a_strong_secret_that_others_can_read_or_that_is_missing_is_warned_of(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    directory = written(tmp_path / "config", tunnel("    auth: {psk-file: solo.psk}\n"))
    assert f"9:22: warning: psk-file: there is no file {secrets}/solo.psk" in said(read(directory, secrets=secrets))
    file = secrets / "solo.psk"
    file.write_text("wj1XyyCZ1aPwOgVJJqHkS4FvZ0tq9bDk\n")
    file.chmod(0o640)
    assert f"{file} can be read by others (mode 0640)" in said(read(directory, secrets=secrets))
    file.chmod(0o600)
    assert said(read(directory, secrets=secrets)) == ""


def test_a_secret_that_is_missing_is_said_also_where_no_secret_was_ever_put(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    directory = written(tmp_path / "config", tunnel("    mtu: 1380\n"))
    usual = f"warning: psk-file: there is no file {state}/secrets/bandung-fiber.psk"
    assert usual in said(read(directory, secrets=state / "secrets"))


def test_check_looks_in_the_state_directory_that_is_named_as_far_as_it_may(tmp_path: Path) -> None:
    state = tmp_path / "state"
    secrets = state / "secrets"
    secrets.mkdir(parents=True)
    keys = "    auth: {certificate: hub.pem, key-file: hub.key, authority: ca.pem}\n"
    command = [sys.executable, "-m", "hub.cli.main", "check", str(written(tmp_path / "config", tunnel(keys)))]
    command += ["--state-dir", str(state)]
    where = {"cwd": Path(__file__).parents[2], "capture_output": True, "text": True, "check": False}
    done = subprocess.run(command, **where)  # type: ignore[call-overload]
    missing = [line for line in done.stdout.splitlines() if "there is no file" in line]
    assert done.returncode == 0, done.stderr
    for file in ("hub.pem", "hub.key", "ca.pem"):
        assert any(f"{secrets}/{file}" in line for line in missing)
    secrets.chmod(0o000)  # for root too, once it has no capability
    kept_out = subprocess.run(["setpriv", "--bounding-set=-all", "--inh-caps=-all", *command], **where)  # type: ignore[call-overload]
    secrets.chmod(0o700)
    assert kept_out.returncode == 0, kept_out.stderr
    assert "no file" not in kept_out.stdout
    assert "nothing is wrong" in kept_out.stdout


def test_check_says_that_the_state_directory_that_is_named_is_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["check", str(written(tmp_path, tunnel("    mtu: 1380\n"))), "--state-dir", str(tmp_path / "nothing")])
    assert ended.value.code == 2
    assert f"there is no directory {tmp_path}/nothing" in capsys.readouterr().err


def test_a_secret_in_the_directory_of_the_configuration_is_refused(tmp_path: Path) -> None:
    directory = written(tmp_path, {**tunnel("    mtu: 1380\n"), "secrets/bandung-fiber.psk": "x"})
    configuration = read(directory)
    assert "is in the configuration directory, which is kept in version control" in said(configuration)
    assert configuration.intent is None


def test_certificates_may_be_read_by_everybody_but_their_key_may_not(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    for name in ("hub.pem", "hub.key", "ca.pem"):
        (secrets / name).write_text("")
        (secrets / name).chmod(0o644)
    keys = "    auth: {certificate: hub.pem, key-file: hub.key, authority: ca.pem}\n"
    (problem,) = read(written(tmp_path / "config", tunnel(keys)), secrets=secrets).problems
    assert f"key-file: {secrets}/hub.key can be read by others" in problem.text


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=80))
def test_the_bits_of_a_secret_are_never_more_than_its_letters_hold(secret: str) -> None:
    assert 0 <= guessed_bits(secret) <= 7 * len(secret)


@pytest.mark.parametrize(
    "secret", ["12345678901234567890", "abcdefghijklmnopqrstuvwxyz", "kencana-kencana-kencana-2024"]
)
def test_rows_and_repeats_add_nothing_to_a_secret(secret: str) -> None:
    assert guessed_bits(secret) < LEAST_BITS


def test_the_reference_names_every_word_and_what_is_said_of_it() -> None:
    in_the_table = {
        word: row
        for row in PAGE.partition("## What else")[0].splitlines()
        if row.startswith("| `")
        for word in re.findall("`([a-z0-9_]+)`", row.split(" | ")[0])
    }
    for word, algorithm in ALGORITHMS.items():
        if algorithm.role is Role.ADDITIONAL:
            continue
        weight = "refused" if algorithm.refused else "warned of" if algorithm.doubtful else "taken"
        assert f" | {weight} | " in in_the_table[word], word
