"""Every input that fuzzing found worth keeping, through its target: what was a fault once stays mended."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

FUZZ = Path(__file__).parent
TARGETS = sorted(path.stem for path in (FUZZ / "targets").glob("[a-z]*.py"))
SEEDS = {target: sorted((FUZZ / "seeds" / target).glob("*")) for target in TARGETS}
FAULTS = [(target, seed) for target in TARGETS for seed in SEEDS[target] if seed.name.startswith("fault-")]


@pytest.mark.parametrize("target", TARGETS)
def test_the_kept_inputs_pass(target: str) -> None:
    fuzz = importlib.import_module(f"targets.{target}").fuzz
    assert SEEDS[target], f"no seeds of {target}: scripts/fuzz {target} --keep"
    for seed in SEEDS[target]:
        fuzz(seed.read_bytes())


@pytest.mark.parametrize(("target", "seed"), FAULTS, ids=lambda value: getattr(value, "name", value))
def test_what_was_a_fault_is_mended(target: str, seed: Path) -> None:
    importlib.import_module(f"targets.{target}").fuzz(seed.read_bytes())


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("data", [b"", b"\0", bytes(range(256)), b"\xff" * 100], ids=["none", "zero", "all", "ones"])
def test_bytes_that_nobody_chose_pass(target: str, data: bytes) -> None:
    importlib.import_module(f"targets.{target}").fuzz(data)
