"""Which tunnels `pointsman keys rotate` exchanges, and what it says where it exchanges none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from config_directories import ALLOCATIONS, BANDUNG, written
from key_exchange_rig import Report, told

from hub.cli import key_exchange
from hub.cli.key_exchange import Hub
from hub.cli.main import main
from policies.model.intent import Intent

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


def test_without_a_hub_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert main(["keys", "rotate", "bandung", "--run-dir", str(tmp_path)]) == 3
    assert "nobody answers at" in capsys.readouterr().err


def test_only_root_can(capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert main(["keys", "rotate", "bandung"]) == 1
    assert "only root can read the keys" in capsys.readouterr().err


@pytest.mark.parametrize("tunnel", BY_HAND)
def test_what_is_not_of_wireguard_is_refused_with_what_to_do_instead(
    tunnel: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    exchanged = running(tmp_path, tunnel, monkeypatch)
    assert main(["keys", "rotate", "bandung/fiber", "--run-dir", str(tmp_path)]) == 1
    said = told(capsys)
    named = f" --run-dir {tmp_path}"
    assert said.count(named) == said.count("pointsman drain") + said.count("pointsman apply")
    assert all(part in said.replace(named, "") for part in BY_HAND[tunnel])
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
