"""The scripts that a newcomer calls say what they do when asked, and do nothing."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.mark.parametrize("option", ["--help", "-h"])
@pytest.mark.parametrize("name", ["bench", "bgp-histories", "chaos", "demo", "fuzz", "histories", "properties", "test"])
def test_help_shows_the_comment_at_the_head_and_does_nothing(name: str, option: str) -> None:

    done = subprocess.run(
        ["/bin/sh", SCRIPTS / name, option], capture_output=True, text=True, timeout=20, env={"PATH": "/usr/bin:/bin"}
    )
    assert (done.returncode, done.stderr) == (0, "")
    head = [line[1:].strip() for line in (SCRIPTS / name).read_text().splitlines()[1:] if line.startswith("#")]
    assert done.stdout.splitlines()[0] == head[0]
    assert all(line.strip() in head for line in done.stdout.splitlines())
