"""Write a file whole or not at all, and by one process at a time."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, BinaryIO


def write_whole(path: Path, content: str | bytes | Callable[[BinaryIO], object]) -> None:
    """Put a file in its place at once: a reader, and a run that is killed, see the old or the new.

    Args:
        path: the file; its folder exists.
        content: text, bytes, or a function that writes into the open file.

    Raises:
        OSError: if it cannot be written; what stood there before still does.
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(part, "wb") as file:
            if callable(content):
                content(file)
            else:
                file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def is_held(file: IO) -> bool:
    """Take the lock of an open file; True where another one has it.

    It ends when the file is closed, and with its process at the latest. Where there are no locks,
    as on some network drives, it is taken for granted.
    """
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return True
    except OSError:
        return False
    return False
