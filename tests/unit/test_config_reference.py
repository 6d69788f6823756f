"""The reference pages' examples can be used, and they name every key; what is made of the model is the present one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from config_directories import BANDUNG, EXAMPLE, reading, said

from hub.config import read
from hub.config.policy.reference import refreshed
from hub.config.policy.written import POLICY_KEYS, POLICY_SECTIONS, RawPolicy
from hub.config.raw import SECTIONS, known_keys
from hub.config.schema import schema

REFERENCE = EXAMPLE.parents[1] / "docs" / "reference"
PAGE = (REFERENCE / "configuration.md").read_text()
POLICY_PAGE = (REFERENCE / "policy.md").read_text()
TESTS_PAGE = (REFERENCE / "policy-tests.md").read_text()


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
    assert re.search(rf"\b{re.escape(key)}\b", PAGE + POLICY_PAGE + TESTS_PAGE)


def test_the_tables_of_policies_are_those_of_the_model() -> None:
    mend = "run: python -m hub.config.policy.reference docs/reference/policy.md"
    assert refreshed(POLICY_PAGE) == POLICY_PAGE, mend


EXAMPLES = re.findall(r"^\| `[a-z-]+` \| .*? \| `([^`]+)` \|", POLICY_PAGE, re.MULTILINE)


def test_every_key_of_a_policy_has_an_example() -> None:
    sections = {RawPolicy, *(section for path, section in POLICY_SECTIONS.items() if path)}
    sections -= {base for section in sections for base in section.__mro__[1:]}  # whose keys are among the section's
    keys = sum(len(known_keys(section)) for section in sections)
    assert len(EXAMPLES) == keys


@pytest.mark.parametrize("example", [*EXAMPLES, *re.findall(r"```yaml\n(.*?)```", POLICY_PAGE, re.DOTALL)])
def test_the_examples_of_policies_can_be_used(tmp_path: Path, example: str) -> None:
    files = {"policies/even_out.py": "", "policies/example.yaml": f"{example}\n"}
    configuration = reading(tmp_path, {**files, "branches/bandung.yaml": f"{BANDUNG}policy: example\n"})
    assert said(configuration) == ""
    assert configuration.intent is not None


@pytest.mark.parametrize("file", ["policy", "branch"])
def test_the_schema_tells_editors_what_every_key_of_a_policy_means(file: str) -> None:
    properties = schema(file)["properties"]
    assert all(properties[key].get("description") and properties[key].get("examples") for key in POLICY_KEYS)
