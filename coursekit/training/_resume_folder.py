"""The folder of a training that can be resumed: its lock, its recipe, its checkpoints.

Checkpoints are whole or not there; the newest readable one is taken, a damaged one is named. Two
are kept, so that one is left where the newest is damaged.
"""

import os
import warnings
from pathlib import Path
from typing import Any

from coursekit._claim import Claim, Parts
from coursekit._files import is_held, write_whole
from coursekit.training._resume_values import dump, load

KEPT = 2
NAME = "checkpoint_{:010d}.npz"
WAY_OUT = "Choose another folder, or delete this one."
WORDS = ("folder", "checkpoints", "training", WAY_OUT)


class Checkpoints:
    """A folder, held by this training alone until `close`.

    Args:
        path: the folder; made if it is missing.

    Raises:
        ValueError: if another training holds it, it is no folder, or nothing can be written there.
    """

    def __init__(self, path: Path):
        self.path, self.failed = path, ""
        self.claim: Claim
        if path.exists() and not path.is_dir():
            raise ValueError(f"`folder` must be a folder. Received: the file {path}")
        try:
            path.mkdir(parents=True, exist_ok=True)
            self.lock = open(path / ".lock", "a+b")  # noqa: SIM115, held until `close`
        except OSError as error:
            raise _unwritable(path, error) from None
        if hasattr(os, "register_at_fork"):  # a worker that outlives its parent must not hold it
            os.register_at_fork(after_in_child=self.lock.close)
        try:
            self._take()
        except BaseException:
            self.lock.close()
            raise

    def _take(self) -> None:
        if is_held(self.lock):
            self.lock.seek(0)
            holder = self.lock.read().decode("ascii", "replace") or "unknown"
            raise ValueError(
                "`folder` must be that of one training at a time. "
                f"Received: {self.path}, held by process {holder}. Wait for its end, or choose "
                "another folder."
            )
        try:
            self.lock.truncate(0)
            self.lock.write(str(os.getpid()).encode())
            self.lock.flush()
            for part in self.path.glob(".*.part"):  # what a killed process left
                part.unlink()
            write_whole(self.path / ".trial", b"0" * 4096)
            (self.path / ".trial").unlink()
        except OSError as error:
            raise _unwritable(self.path, error) from None

    def close(self) -> None:
        """Let others have the folder."""
        self.lock.close()

    def claim_for(self, parts: Parts) -> None:
        """Refuse a folder whose checkpoints belong to another recipe."""
        try:
            self.claim = Claim(self.path, parts, empty=not self.files(), words=WORDS)
        except OSError as error:
            raise _unwritable(self.path, error) from None

    def files(self) -> list[Path]:
        """Return the checkpoints, the newest first."""
        return sorted(self.path.glob("checkpoint_*.npz"), reverse=True)

    def newest(self) -> dict[str, Any] | None:
        """Return what the newest readable checkpoint holds; None where there is none."""
        for file in self.files():
            try:
                kept = load(file)
                if kept["run"] != self.claim.key:
                    raise ValueError("it belongs to another training")
                return kept["state"]
            except OSError as error:
                if file.exists() and not os.access(file, os.R_OK):
                    raise ValueError(
                        f"`folder` must hold files that can be read. Received: {file} ({error})"
                    ) from None
                self._set_aside(file, error)
            except Exception as error:  # zip, JSON and NumPy each have their own
                self._set_aside(file, error)
        return None

    def _set_aside(self, file: Path, error: Exception) -> None:
        aside = file.with_suffix(".damaged")
        warnings.warn(
            f"{file} is damaged ({type(error).__name__}: {error}); the one before it is taken, or "
            f"training begins anew. It is now called {aside.name}.",
            stacklevel=5,
        )
        os.replace(file, aside)

    def save(self, step: int, state: dict[str, Any]) -> bool:
        """Keep a state, whole or not at all; False, with one warning, where it cannot be written.

        A full disk must not cost what the model has learned: training goes on, and the checkpoint
        before stays.
        """
        content = {"run": self.claim.key, "state": state}
        try:
            write_whole(self.path / NAME.format(step), lambda file: dump(file, content))
            for old in self.files()[KEPT:]:
                old.unlink()
        except OSError as error:
            if not self.failed:
                kept = self.files()
                last = f"the last one is {kept[0].name}" if kept else "there is none yet"
                warnings.warn(
                    f"A checkpoint could not be written ({type(error).__name__}: {error}). "
                    f"Training goes on and tries again; {last}.",
                    stacklevel=2,
                )
            self.failed = str(error)
            return False
        self.failed = ""
        return True


def _unwritable(path: Path, error: OSError) -> ValueError:
    return ValueError(
        f"`folder` must be one that can be written into. Received: {path} "
        f"({type(error).__name__}: {error}). {WAY_OUT}"
    )
