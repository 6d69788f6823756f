"""`pointsman router print` as a user runs it: output, exit status, files, and keys only where they were asked for."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from branch_keys import made_its_own
from config_directories import ALLOCATIONS, BANDUNG, NETWORK, written
from lab_intent import intent

from hub.branch_router.texts import PARTS
from hub.cli import router
from hub.cli.main import main
from hub.lab.names import HOME_VARIABLE, LabPlace
from hub.lab.plan import plan
from hub.lab.record import Lab, write
from hub.provisioner.keys.store import KeyStore

TUNNELS = ("bandung/fiber", "bandung/wireless")
PLACED = BANDUNG.replace("{isp: telkom}", "{isp: telkom, interface: eth1, gateway: 192.0.2.1}").replace(
    "{isp: indosat}", "{isp: indosat, interface: eth2, gateway: dhcp}"
)


def of_kind(kind: str) -> str:
    return f"{PLACED}router: {{kind: {kind}}}\n"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state directory in which the tunnels have keys."""
    place = tmp_path / "state"
    place.mkdir(mode=0o700)
    KeyStore(place / "keys").make(TUNNELS)
    return place


def private_keys(state: Path) -> list[str]:
    store, found = KeyStore(state / "keys"), []
    for tunnel in TUNNELS:
        keys = store.of(tunnel)
        assert keys is not None
        found += [secret.reveal() for secret in (keys.hub, keys.branch, keys.preshared) if secret is not None]
    return found


def run(directory: Path, state: Path, *options: str, branch: str = "bandung") -> int:
    return main(["router", "print", branch, "--config", str(directory), "--state-dir", str(state), *options])


def configured(tmp_path: Path, branch: str = PLACED, network: str = NETWORK) -> Path:
    files = {"branches/bandung.yaml": branch, "network.yaml": network, "allocations.yaml": ALLOCATIONS}
    return written(tmp_path / "config", files)


def test_every_file_stands_below_its_name(tmp_path: Path, state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(configured(tmp_path, of_kind("bird")), state) == 0
    out = capsys.readouterr().out
    assert [line.split()[1] for line in out.splitlines() if line.startswith("#### ")] == [
        "/etc/bird/bird.conf",
        "/etc/wireguard/fiber.conf",
        "/etc/wireguard/wireless.conf",
        "/usr/local/sbin/pointsman-pins",
        "/etc/sysctl.d/90-pointsman.conf",
        "/etc/systemd/networkd.conf.d/pointsman.conf",
        "/etc/systemd/system/pointsman-branch.service",
        "/etc/nftables.d/pointsman.nft",
    ]


@pytest.mark.parametrize("options", [(), ("--json",), ("--part", "sheet"), ("--part", "wg-quick")])
def test_no_private_key_is_shown_unless_it_is_asked_for(
    options: tuple[str, ...], tmp_path: Path, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(configured(tmp_path), state, *options) == 0
    said = capsys.readouterr()
    assert not [key for key in private_keys(state) if key in said.out + said.err]
    assert "<private key of bandung/fiber>" in said.out
    words = f"--config {tmp_path}/config --state-dir {state}"
    assert f"sudo pointsman router print bandung {words} --with-keys\n" in said.err


def test_with_keys_the_branchs_own_are_shown_and_never_the_hubs(
    tmp_path: Path, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(configured(tmp_path), state, "--with-keys") == 0
    said, keys = capsys.readouterr(), KeyStore(state / "keys").of("bandung/fiber")
    assert keys is not None
    assert keys.branch is not None
    assert f"PrivateKey = {keys.branch.reveal()}\n" in said.out
    assert f"PublicKey = {keys.hub_public}\n" in said.out
    assert keys.hub.reveal() not in said.out
    assert "left out" not in said.err


def test_a_key_that_only_the_branch_has_stays_a_word(
    tmp_path: Path, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = KeyStore(state / "keys")
    keys = store.of("bandung/wireless")
    assert keys is not None
    made_its_own(store, "bandung/fiber", keys.branch_public)
    assert run(configured(tmp_path), state, "--with-keys") == 0
    said = capsys.readouterr()
    assert "PrivateKey = <private key of bandung/fiber>\n" in said.out
    assert "bandung/fiber: the branch made its own key" in said.err


def test_a_tunnel_without_keys_is_printed_with_a_word_on_what_makes_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(configured(tmp_path), tmp_path / "nothing") == 0
    said = capsys.readouterr()
    assert "bandung/fiber has no keys yet: pointsman apply makes them" in said.err
    assert "PublicKey = <public key of the hub for bandung/fiber>" in said.out


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LabPlace:
    """A lab that is up, by its record: its hub has this configuration, and no keys yet."""
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "labs"))
    monkeypatch.chdir(tmp_path)
    place = LabPlace("second", tmp_path / "labs")
    place.directory.mkdir(parents=True)
    write(Lab(place, plan(intent()), configured(tmp_path), kernel_wireguard=True))
    return place


def test_a_lab_names_the_files_of_its_hub_and_is_named_by_what_helps(
    lab: LabPlace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["router", "print", "bandung", "--name", "second"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("# branches/bandung.yaml names no router")
    assert "bandung/fiber has no keys yet: pointsman apply --name second makes them" in said.err
    KeyStore(lab.keys).make(TUNNELS)
    assert main(["router", "print", "bandung", "--name", "second"]) == 0
    assert "sudo pointsman router print bandung --name second --with-keys" in capsys.readouterr().err
    assert main(["router", "print", "bandung", "--name", "second", "--with-keys"]) == 0
    assert private_keys(lab.state)[1] in capsys.readouterr().out


def test_a_lab_that_is_not_up_is_said(lab: LabPlace, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["router", "print", "bandung", "--name", "third"]) == 3
    assert 'no lab "third" is up here' in capsys.readouterr().err


def test_keys_that_are_asked_for_and_not_there_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(configured(tmp_path), tmp_path / "nothing", "--with-keys") == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("pointsman: bandung/fiber has no keys yet\n    mend: pointsman apply")


def test_a_key_file_that_others_can_read_is_refused(
    tmp_path: Path, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (state / "keys/bandung/fiber/branch.key").chmod(0o644)
    assert run(configured(tmp_path), state, "--with-keys") == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "branch.key can be read by others" in said.err


def test_the_password_of_the_sessions_is_read_from_its_file(
    tmp_path: Path, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = configured(tmp_path, f"{PLACED}session: {{password-file: bandung}}\n")
    (state / "secrets").mkdir()
    file = state / "secrets" / "bandung"
    file.write_text("pass-of-bgp\n")
    file.chmod(0o600)
    assert run(directory, state) == 0
    shown = capsys.readouterr().out
    assert "pass-of-bgp" not in shown
    assert 'password "<password-of-bandung>";' in shown
    assert run(directory, state, "--with-keys") == 0
    assert 'password "pass-of-bgp";' in capsys.readouterr().out
    file.unlink()
    assert run(directory, state, "--with-keys") == 1
    assert "the password of bandung's BGP sessions cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "mode", "status", "said"),
    [
        ("a strong word", 0o600, 0, 'secret = "a strong word"'),
        ("a strong word", 0o644, 1, "can be read by others (mode 0644)"),
        ("\n", 0o600, 1, "is empty"),
        (None, 0o600, 1, "cannot be read: No such file or directory"),
    ],
)
def test_the_pre_shared_key_of_ipsec_is_read_from_its_file(
    content: str | None,
    mode: int,
    status: int,
    said: str,
    tmp_path: Path,
    state: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    directory = configured(tmp_path, f"{PLACED}tunnels: {{fiber: {{transport: ipsec, inner: xfrm}}}}\n")
    (state / "secrets").mkdir()
    file = state / "secrets" / "bandung-fiber.psk"
    if content is not None:
        file.write_text(content)
        file.chmod(mode)
    assert run(directory, state, "--with-keys", "--part", "swanctl") == status
    shown = capsys.readouterr()
    assert said in shown.out + shown.err
    assert run(directory, state, "--part", "swanctl") == 0
    shown = capsys.readouterr()
    assert 'secret = "<preshared key of bandung/fiber>"' in shown.out
    assert "a strong word" not in shown.out + shown.err


def test_a_hub_that_says_no_endpoint_is_refused_where_that_is_told(
    tmp_path: Path, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = configured(tmp_path, network=NETWORK.replace(", endpoint: 198.51.100.2", ""))
    assert run(directory, state) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "hub.uplinks.telkom has no endpoint: bandung/fiber" in said.err
    assert "mend: write endpoint: ADDRESS at hub.uplinks.telkom" in said.err
    assert run(directory, state, "--part", "bird") == 0


def test_an_unknown_branch_is_refused_with_the_nearest_name(
    tmp_path: Path, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(configured(tmp_path), state, branch="bandug") == 1
    assert 'no branch "bandug"' in (err := capsys.readouterr().err)
    assert 'mend: write "bandung"' in err


def test_a_configuration_with_errors_is_refused_with_them(
    tmp_path: Path, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(configured(tmp_path, PLACED.replace("65001", "x")), state) == 1
    assert "branches/bandung.yaml:1" in capsys.readouterr().err


def test_the_parts_that_can_be_named_are_those_that_there_are() -> None:
    assert router.PARTS == PARTS


def test_an_unknown_part_is_wrong_usage(tmp_path: Path, state: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        run(configured(tmp_path), state, "--part", "cisco")
    assert ended.value.code == 2


def test_a_part_for_which_there_is_no_tunnel_is_refused(
    tmp_path: Path, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(configured(tmp_path), state, "--part", "swanctl") == 1
    assert "bandung has no tunnel for swanctl: its tunnels are WireGuard" in capsys.readouterr().err


def test_for_routeros_there_are_the_values_and_the_page_to_write_it_by(
    tmp_path: Path, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(configured(tmp_path, of_kind("routeros")), state) == 1
    said = capsys.readouterr()
    assert "hub's public key" in said.out
    assert "no text for RouterOS yet" in said.err
    assert "docs/how-to/branch-router.md" in said.err


def test_for_any_other_make_there_are_the_values(
    tmp_path: Path, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(configured(tmp_path, of_kind("other")), state, "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["sheet"]["branch bandung"]["AS"] == "65001"
    assert answer["sheet"]["tunnel bandung/fiber"]["hub's end"] == "198.51.100.2, UDP port 51000"
    assert [file["part"] for file in answer["files"]] == ["sheet"]


def test_without_a_kind_it_is_for_bird_and_says_so(
    tmp_path: Path, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(configured(tmp_path), state) == 0
    assert capsys.readouterr().out.startswith("# branches/bandung.yaml names no router: this is for BIRD")


def test_files_are_written_as_they_lie_on_the_router_and_those_with_keys_for_their_owner_only(
    tmp_path: Path, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run(configured(tmp_path), state, "--with-keys", "--directory", str(out)) == 0
    shown = capsys.readouterr().out
    assert not [key for key in private_keys(state) if key in shown]
    modes = {str(path.relative_to(out)): stat.S_IMODE(path.stat().st_mode) for path in out.rglob("*") if path.is_file()}
    assert modes["etc/wireguard/fiber.conf"] == 0o600
    assert modes["usr/local/sbin/pointsman-pins"] == 0o755
    assert stat.S_IMODE(out.stat().st_mode) == 0o700
    keys = private_keys(state)
    holding = [path for path in out.rglob("*") if path.is_file() and any(key in path.read_text() for key in keys)]
    assert {stat.S_IMODE(path.stat().st_mode) for path in holding} == {0o600}


@pytest.mark.parametrize(("kind", "file"), [("frr", "etc/frr/frr.conf"), ("bird", "etc/bird/bird.conf")])
def test_the_routing_daemons_file_has_the_mode_that_its_line_says(
    tmp_path: Path, state: Path, capsys: pytest.CaptureFixture[str], kind: str, file: str
) -> None:
    out = tmp_path / "out"
    assert run(configured(tmp_path, of_kind(kind)), state, "--directory", str(out)) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if file in line)
    assert f"owner {kind}:{kind}, mode 0640" in line
    assert stat.S_IMODE((out / file).stat().st_mode) == 0o640


def test_a_file_that_is_there_is_not_overwritten_unless_that_is_said(
    tmp_path: Path, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory, out = configured(tmp_path), tmp_path / "out"
    mine = out / "etc/nftables.d/pointsman.nft"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine\n")
    assert run(directory, state, "--directory", str(out)) == 1
    assert f"{mine} is there already" in capsys.readouterr().err
    assert (mine.read_text(), [path for path in out.rglob("*") if path.is_file()]) == ("mine\n", [mine])
    assert run(directory, state, "--directory", str(out), "--force") == 0
    assert mine.read_text() != "mine\n"
    assert run(directory, state, "--directory", str(out)) == 0, "the same text may be written again"


def test_a_directory_that_cannot_be_written_is_said_in_one_line(
    tmp_path: Path, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert run(configured(tmp_path), state, "--directory", str(tmp_path / "file")) == 1
    assert "cannot be written: File exists" in capsys.readouterr().err
