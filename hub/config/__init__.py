"""The configuration directory: raw (as written) -> load (YAML, places) -> resolve (-> intent); and allocation."""

from __future__ import annotations

from hub.config.configuration import Configuration, read
from hub.config.problems import Problem, Severity

__all__ = ["Configuration", "Problem", "Severity", "read"]
