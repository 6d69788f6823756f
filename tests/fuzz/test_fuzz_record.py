"""The record of the runs adds up over all campaigns, and what cannot be summed is told in one line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from report import HEAD, RecordError, read, report

FUZZ = Path(__file__).parent
TARGETS = {path.stem for path in (FUZZ / "targets").glob("[a-z]*.py")}


def line(target: str, date: str, minutes: int, edges: int = 7, **more: int) -> str:
    numbers = {"seed": 1, "seconds": minutes * 60, "cpu_seconds": minutes * 30, "executions": 1000, "crashes": 1}
    return json.dumps({"date": date, "target": target, "edges": edges} | numbers | more)


def test_a_row_is_the_sum_of_all_runs_of_a_target(tmp_path: Path) -> None:
    record, page = tmp_path / "record.jsonl", tmp_path / "page.md"
    runs = [line("icmp", "2026-11-22", 20), line("bfd", "2026-11-21", 40, runs=8), line("bfd", "2026-12-01", 30, 9)]
    record.write_text("\n".join(runs) + "\n")
    page.write_text(f"# Page\n\n{HEAD}\n|---|\n| bfd | of another time |\n\nAfterwards.\n")
    report(record, page)
    before, rows = page.read_text().split(HEAD)
    assert before == "# Page\n\n"
    assert rows.splitlines()[2:] == [
        "| bfd | 2026-11-21 | 2026-12-01 | 9 | 70 | 35 | 2,000 | 9 | 2 |",
        "| icmp | 2026-11-22 | 2026-11-22 | 1 | 20 | 10 | 1,000 | 7 | 1 |",
        "",
        "Afterwards.",
    ]
    report(record, page)
    assert page.read_text().split(HEAD) == [before, rows]


def test_the_kept_record_knows_every_target() -> None:
    assert set(read(FUZZ / "record.jsonl")) == TARGETS


@pytest.mark.parametrize(
    "spoilt", ["", "{", "[]", "3", '{"target": "bfd"}', line("bfd", "2026-11-21", 1).replace("1000", '"many"')]
)
def test_a_line_that_is_none_is_told_with_its_number(tmp_path: Path, spoilt: str) -> None:
    record = tmp_path / "record.jsonl"
    record.write_text(line("bfd", "2026-11-21", 1) + "\n" + spoilt + "\n")
    with pytest.raises(RecordError, match=r"record\.jsonl line 2 is no line of a record"):
        read(record)


def test_a_page_without_a_table_is_left(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("Nothing here.\n")
    with pytest.raises(RecordError, match="no line to write the table under"):
        report(FUZZ / "record.jsonl", page)
    assert page.read_text() == "Nothing here.\n"


def test_a_report_without_a_record_is_one_line(tmp_path: Path) -> None:
    command = [sys.executable, str(FUZZ / "campaign.py"), "--report", "--record", str(tmp_path / "none.jsonl")]
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(f"scripts/fuzz: no record at {tmp_path}/none.jsonl: No such file")
