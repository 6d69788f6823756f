"""Faults that could not be made: a run of them proves nothing, and is a violation."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from chaos_account import FEW, Account
from chaos_faults import Fault, Kind
from chaos_injector import Injector


class BrokenHub:
    """A hub to which nothing can be done."""

    def __getattr__(self, name: str) -> BrokenHub:
        if name in ("disturb", "place"):
            raise OSError("broken")
        return self

    def __getitem__(self, index: int) -> BrokenHub:
        return self


def test_a_fault_that_could_not_be_made_is_not_counted_as_made(tmp_path: Path) -> None:
    injector = Injector(cast("Any", BrokenHub()), tmp_path)
    injector.play((Fault(Kind.FULL_DISK, "", 0.0, 0.01), Fault(Kind.KILL, "controller", 0.0, 0.01)))
    assert injector.made == []
    assert len(injector.not_made) == 2


def test_a_run_whose_faults_are_not_made_is_a_violation() -> None:
    account = Account(seed=1)
    account.count(0, ["kill controller: OSError: broken"] * (FEW + 1))
    account.finish()
    assert account.violations == [f"episode 0: {FEW + 1} of {FEW + 1} faults could not be made"]


def test_a_few_faults_that_are_not_made_are_none() -> None:
    account = Account(seed=1)
    account.count(1000, ["apply: OSError: broken"] * FEW)
    account.finish()
    assert account.violations == []
    assert account.faults == 1000
