"""The machine below a root directory: its files, what was put there before, and the programs that act on it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hub.control.places import SYSTEM_STATE
from hub.installation.plan import Step, digest
from hub.installation.shipped import InstallationError

MANIFEST = "installed.json"
PATIENCE_SECONDS = 90.0
SYSTEMD_RUNS = Path("/run/systemd/system")


@dataclass(frozen=True, slots=True)
class Manifest:
    """A Manifest is what was put on a machine: digests by path, directories that were made for it, the users' name."""

    files: Mapping[str, str] = field(default_factory=dict)
    directories: tuple[str, ...] = ()
    user: str = "pointsman"


class Machine:
    """A Machine is everything below `root`; `/` is the one that runs."""

    def __init__(self, root: Path = Path("/")) -> None:
        self.root = root
        self.state = self.below(str(SYSTEM_STATE))

    @property
    def runs(self) -> bool:
        """Whether this is the running machine, and no image of one."""
        return self.root.resolve() == Path("/")

    def below(self, path: str) -> Path:
        """Where an absolute path of the machine is."""
        return self.root / path.lstrip("/")

    def read(self, paths: Iterable[str]) -> dict[str, str]:
        """The texts of those files that are there.

        Raises:
            InstallationError: one cannot be read.
        """
        found = {}
        for path in paths:
            try:
                found[path] = self.below(path).read_text(encoding="utf-8", errors="surrogateescape")
            except FileNotFoundError:
                continue
            except OSError as error:
                raise InstallationError(f"{error.filename}: {error.strerror}", "run as root") from error
        return found

    def manifest(self) -> Manifest:
        """What was put there before; empty where nothing was.

        Raises:
            InstallationError: it cannot be read, or is damaged.
        """
        path = self.state / MANIFEST
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
            return Manifest(dict(said["files"]), tuple(said["directories"]), str(said["user"]))
        except FileNotFoundError:
            return Manifest()
        except OSError as error:
            raise InstallationError(f"{path}: {error.strerror}", "run as root") from error
        except (ValueError, KeyError, TypeError) as error:
            mend = f"remove it, then say this again with --force: it is written anew ({path})"
            raise InstallationError(f"{path} is damaged: it does not say what was installed", mend) from error

    def do(self, steps: Sequence[Step], before: Manifest, user: str) -> Manifest:
        """Write and remove; what was done is remembered also when something fails half-way, and can be done again.

        Raises:
            InstallationError: a file cannot be written.
        """
        files, made = dict(before.files), list(before.directories)
        try:
            for step in steps:
                if step.text is None:
                    self.below(step.path).unlink(missing_ok=True)
                    files.pop(step.path, None)
                else:
                    made += [each for each in self._make_directory(Path(step.path).parent) if each not in made]
                    _write(self.below(step.path), step.text)
                    files[step.path] = digest(step.text)
        except OSError as error:
            mend = "run as root; make room; then run it again"
            raise InstallationError(f"{error.filename}: {error.strerror}", mend) from error
        finally:
            manifest = Manifest(files, tuple(made), user)
            self._remember(manifest)
        return manifest

    def forget(self, manifest: Manifest) -> None:
        """Remove the directories that were made, if nothing is in them, and what was remembered."""
        for path in sorted(manifest.directories, key=len, reverse=True):
            with contextlib.suppress(OSError):
                self.below(path).rmdir()
        (self.state / MANIFEST).unlink(missing_ok=True)

    def _make_directory(self, path: Path) -> list[str]:
        missing = [each for each in (path, *path.parents) if not self.below(str(each)).exists()]
        for each in reversed(missing):
            self.below(str(each)).mkdir(mode=0o755)
        return [str(each) for each in missing]

    def _remember(self, manifest: Manifest) -> None:
        said = {"files": dict(manifest.files), "directories": list(manifest.directories), "user": manifest.user}
        with contextlib.suppress(OSError):
            self.state.mkdir(mode=0o755, parents=True, exist_ok=True)
            _write(self.state / MANIFEST, json.dumps(said, indent=2, sort_keys=True) + "\n")


def _write(path: Path, text: str) -> None:
    """Replace a file in one move; a symbolic link at its place is replaced too, and what it points to left alone."""
    fresh = path.with_name(f".{path.name}.new")
    with fresh.open("w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)
        os.fchmod(file.fileno(), 0o644)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def run(*command: str) -> str | None:
    """Run a program of the system; None if it did what it should, else what it says."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS)
    except FileNotFoundError:
        return f"{command[0]} is missing"
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return None if done.returncode == 0 else " ".join((done.stderr or done.stdout).split())[:300] or "it failed"
