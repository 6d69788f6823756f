"""The reference page's examples are one configuration that can be used, and it names every key."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from config_directories import EXAMPLE

from hub.config import read
from hub.config.raw import SECTIONS, known_keys

PAGE = (EXAMPLE.parents[1] / "docs" / "reference" / "configuration.md").read_text()


def test_the_examples_of_the_reference_can_be_used(tmp_path: Path) -> None:
    for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL):
        file = tmp_path / block.splitlines()[0].removeprefix("# ")
        file.parent.mkdir(exist_ok=True)
        file.write_text(block)
    configuration = read(tmp_path)
    assert configuration.problems == ()
    assert configuration.files == 6


@pytest.mark.parametrize(
    "key", sorted({key for made in SECTIONS.values() for s in made.values() for key in known_keys(s)})
)
def test_the_reference_names_every_key(key: str) -> None:
    assert re.search(rf"\b{re.escape(key)}\b", PAGE)
