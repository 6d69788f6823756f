"""What is asked about the configuration on the control socket: nonsense is answered, and nothing else happens."""

from __future__ import annotations

from pathlib import Path

import pytest
from config_directories import BANDUNG, written
from confirming_rig import Waiting, live

from hub.control.places import Places


@pytest.fixture
def places(tmp_path: Path) -> Places:
    written(tmp_path / "config", {})
    return Places(tmp_path / "config", tmp_path / "run", tmp_path / "state")


@pytest.mark.parametrize(
    ("directory", "error"),
    [
        ("/tmp/\0proposal", "that is no path"),
        ("/tmp/pro\nposal", "that is no path"),
        ("/tmp/\udcff", "that is no path"),
        (["/tmp"], "that is no path"),
        (7, "that is no path"),
        ("proposal", '"proposal" is relative'),
        (".", '"." is relative'),
        ("/" + "a" * 256, "is longer than a path can be"),
        ("/a" * 2048, "is longer than a path can be"),
    ],
)
def test_a_directory_that_cannot_be_is_an_error_with_a_mend(places: Places, directory: object, error: str) -> None:
    async def scene(scene: Waiting) -> None:
        said = (await scene.ask(ask="plan", directory=directory))["error"]
        assert error in said
        assert said.endswith("write an absolute path, like /tmp/proposal")

    live(places, scene)


def test_a_directory_that_is_not_there_is_an_error(places: Places) -> None:
    async def scene(scene: Waiting) -> None:
        assert "error" in await scene.ask(ask="plan", directory="/nonexistent/" + "a" * 255)

    live(places, scene)


def test_a_directory_that_is_there_is_planned(places: Places, tmp_path: Path) -> None:
    proposal = written(tmp_path / "proposal", {"branches/bandung.yaml": BANDUNG.replace("65001", "65009")})

    async def scene(scene: Waiting) -> None:
        planned = await scene.ask(ask="plan", directory=str(proposal))
        assert [branch["branch"] for branch in planned["branches"]] == ["bandung"]

    live(places, scene)
