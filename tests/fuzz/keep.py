"""Which inputs are worth keeping: the few that together go everywhere that the whole corpus goes."""

from __future__ import annotations

import hashlib
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).parents[2]
MOST, LARGEST = 48, 1024
"""Seeds of a target, and bytes of one."""
_WATCHED = tuple(str(ROOT / part) for part in ("policies", "speaker", "hub", "tests/fuzz/targets"))

Arc = tuple[str, int, int]


def keep(target: str, corpus: Path, seeds: Path) -> int:
    """Copy what is worth keeping of a corpus to the seeds, which stay; the number of seeds then."""
    sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests/unit"), str(ROOT)]
    fuzz = importlib.import_module(f"targets.{target}").fuzz
    seeds.mkdir(parents=True, exist_ok=True)
    covered: set[Arc] = set()
    kept = list(seeds.iterdir())
    for seed in kept:
        covered |= arcs(fuzz, seed.read_bytes())
    found = sorted((path.stat().st_size, path) for path in corpus.iterdir() if path.stat().st_size <= LARGEST)
    gains = []
    for _size, path in found:
        try:
            gains.append((arcs(fuzz, path.read_bytes()), path))
        except Exception as error:  # noqa: BLE001  any fault at all is what fuzzing looks for
            print(f"{target}: {path.name} is a fault now: {error!r:.200}")
    while gains and len(kept) < MOST:
        gains = [(new - covered, path) for new, path in gains if new - covered]
        if not gains:
            break
        best, path = max(gains, key=lambda gain: len(gain[0]))
        covered |= best
        content = path.read_bytes()
        seed = seeds / hashlib.sha256(content).hexdigest()[:12]
        seed.write_bytes(content)
        kept.append(seed)
    return len(kept)


def arcs(fuzz: Callable[[bytes], None], data: bytes) -> set[Arc]:
    """The steps from line to line that an input takes through our own code."""
    found: set[Arc] = set()

    def trace(frame: FrameType, event: str, _argument: Any) -> Any:
        file = frame.f_code.co_filename
        if not file.startswith(_WATCHED):
            return None
        last = frame.f_lineno

        def local(frame: FrameType, event: str, _argument: Any) -> Any:
            nonlocal last
            if event == "line":
                found.add((file, last, frame.f_lineno))
                last = frame.f_lineno
            return local

        return local

    sys.settrace(trace)
    try:
        fuzz(data)
    finally:
        sys.settrace(None)
    return found
