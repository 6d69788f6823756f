"""One target under atheris: `run_target.py TARGET [options of libFuzzer] CORPUS...`. Started by `campaign.py`."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import atheris

FUZZ = Path(__file__).parent
sys.path[:0] = [str(FUZZ), str(FUZZ.parent), str(FUZZ.parent / "unit"), str(FUZZ.parents[1])]

with atheris.instrument_imports(include=["policies", "speaker", "hub", "targets"]):
    module = importlib.import_module(f"targets.{sys.argv[1]}")

atheris.Setup([sys.argv[0], *sys.argv[2:]], module.fuzz)
atheris.Fuzz()
