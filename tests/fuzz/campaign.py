"""Fuzzing for a while: targets in turn, a record line for every run; see docs/reference/fuzzing.md."""

from __future__ import annotations

import argparse
import ast
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from keep import keep
from report import RecordError, report

FUZZ = Path(__file__).parent
TARGETS = sorted(path.stem for path in (FUZZ / "targets").glob("[a-z]*.py"))
OPTIONS = ("-timeout=300", "-rss_limit_mb=1500", "-max_len=4096", "-print_final_stats=1", "-verbosity=1")
RECORD = FUZZ / "record.jsonl"
SEEDS = 1_000_000
"""What follows a crash within one run has its seed plus a multiple of this."""
MOST_CRASHES = 5
"""Crashes of one run before it is given up: it would find the same one again and again."""

_running: set[subprocess.Popen[bytes]] = set()
_stopping = False


def main() -> int:
    """Fuzz, or report, or keep seeds; 1 if a crash was found."""
    arguments = _arguments()
    work: Path = arguments.work
    if arguments.report:
        try:
            report(arguments.record, FUZZ.parents[1] / "docs" / "reference" / "fuzzing.md")
        except RecordError as error:
            sys.exit(f"scripts/fuzz: {error}")
        return 0
    targets = TARGETS if arguments.target == "all" else [arguments.target]
    if arguments.keep:
        for target in targets:
            print(f"{target}: {keep(target, work / target / 'corpus', FUZZ / 'seeds' / target)} seeds kept")
        return 0
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    with ThreadPoolExecutor(arguments.jobs) as pool:
        found = sum(pool.map(lambda turn: _turn(arguments, *turn), _turns(targets, arguments)))
    return 1 if found else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description="Coverage-guided fuzzing of what reads input.")
    parser.add_argument("target", nargs="?", default="all", choices=[*TARGETS, "all"])
    parser.add_argument("--minutes", type=float, default=5.0, help="for each target (5)")
    parser.add_argument(
        "--slice", type=float, default=5.0, help="minutes of one target before the next has its turn (5)"
    )
    parser.add_argument("--jobs", type=int, default=1, help="targets at one time (1)")
    parser.add_argument("--seed", type=int, default=1, help="of the first run; each further one has the next (1)")
    parser.add_argument("--work", type=Path, default=FUZZ.parents[1] / ".fuzz", help="corpora and crashes (.fuzz)")
    parser.add_argument("--record", type=Path, default=RECORD, help="a line a run is added (tests/fuzz/record.jsonl)")
    parser.add_argument("--keep", action="store_true", help="don't fuzz: keep the most telling inputs found as seeds")
    parser.add_argument("--report", action="store_true", help="don't fuzz: write the record into the reference page")
    return parser.parse_args()


def _turns(targets: Sequence[str], arguments: argparse.Namespace) -> list[tuple[str, float, int]]:
    """(target, seconds, seed) of every run, the targets in turn."""
    turns, seed, left = [], arguments.seed, arguments.minutes * 60
    while left > 0:
        seconds = min(left, arguments.slice * 60)
        for target in targets:
            turns.append((target, seconds, seed))
            seed += 1
        left -= seconds
    return turns


def _stop(_number: int, _frame: object) -> None:
    global _stopping  # noqa: PLW0603  one program, one end
    _stopping = True
    for process in list(_running):
        process.terminate()


def _turn(arguments: argparse.Namespace, target: str, seconds: float, seed: int) -> int:
    """Run a target for so long; what follows a crash is another run. The crashes found."""
    end, crashes = time.monotonic() + seconds, 0
    while not _stopping and crashes < MOST_CRASHES and (left := end - time.monotonic()) > 1:
        found = _run(arguments, target, left, seed + SEEDS * crashes)
        if not found:
            break
        crashes += found
    return crashes


def _run(arguments: argparse.Namespace, target: str, seconds: float, seed: int) -> int:
    """One process of the fuzzer; the crashes found, or 1 where it ended wrongly, as by one found before."""
    home: Path = arguments.work / target
    for folder in ("corpus", "crashes"):
        (home / folder).mkdir(parents=True, exist_ok=True)
    (home / "words.dict").write_text(_dictionary(target))
    before = set((home / "crashes").iterdir())
    command = [sys.executable, str(FUZZ / "run_target.py"), target, *OPTIONS, f"-max_total_time={max(1, int(seconds))}"]
    command += [f"-seed={seed}", f"-dict={home / 'words.dict'}", f"-artifact_prefix={home / 'crashes'}/"]
    command += [str(home / "corpus"), *([str(FUZZ / "seeds" / target)] if (FUZZ / "seeds" / target).is_dir() else [])]
    started, log = time.monotonic(), home / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        _running.add(process)
        _pid, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        _running.discard(process)
    said = log.read_text(encoding="utf-8", errors="replace")
    # libFuzzer leaves a slow input there too; on a busy machine many are, and none of them stops the run.
    left = set((home / "crashes").iterdir()) - before
    crashes = sorted(path for path in left if not path.name.startswith("slow-unit-"))
    line = _line(target, seed, time.monotonic() - started, used.ru_utime + used.ru_stime, said, len(crashes))
    if process.returncode and not crashes and not _stopping:
        line["failed"] = process.returncode
    with arguments.record.open("a") as record:
        record.write(json.dumps(line) + "\n")
    _tell(home, line, crashes, said)
    return len(crashes) or int("failed" in line)


def _line(target: str, seed: int, wall: float, cpu: float, said: str, crashes: int) -> dict[str, Any]:
    executions = re.findall(r"^(?:#|stat::number_of_executed_units: )(\d+)", said, re.MULTILINE)
    edges = re.findall(r" cov: (\d+) ", said)
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "target": target,
        "seed": seed,
        "seconds": round(wall),
        "cpu_seconds": round(cpu),
        "executions": max(map(int, executions), default=0),
        "edges": max(map(int, edges), default=0),
        "crashes": crashes,
    }


def _tell(home: Path, line: dict[str, Any], crashes: Sequence[Path], said: str) -> None:
    print(" ".join(f"{key}={value}" for key, value in line.items()), flush=True)
    if crashes or "failed" in line:
        start = said.find("=== Uncaught Python exception")
        why = said[start:] if start >= 0 else said[-3000:]
        text = why.split("==", 2)[-1] if start < 0 else why.partition("\n==")[0]
        names = " ".join(path.name for path in crashes)
        with (home / "faults.txt").open("a") as faults:
            faults.write(f"--- {names}\n{text}\n")
        print(f"{home.name}: {names}\n{text[-2500:]}", flush=True)


def _dictionary(target: str) -> str:
    """libFuzzer's dictionary of a target's `WORDS`, which is read without importing the target's packages here."""
    found = subprocess.run(
        [sys.executable, "-c", _PRINT_WORDS, target, str(FUZZ)], capture_output=True, check=True, text=True
    )
    words = ast.literal_eval(found.stdout)
    return "".join('"' + "".join(f"\\x{byte:02x}" for byte in word) + '"\n' for word in words if 0 < len(word) <= 64)


_PRINT_WORDS = """
import importlib, sys
sys.path[:0] = [sys.argv[2], sys.argv[2] + "/..", sys.argv[2] + "/../unit", sys.argv[2] + "/../.."]
print(list(importlib.import_module("targets." + sys.argv[1]).WORDS))
"""

if __name__ == "__main__":
    sys.exit(main())
