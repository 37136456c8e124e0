"""A time limit for the learner's code, and a bounded copy of what it prints."""

import _thread
import contextlib
import io
import re
import signal
import threading


class Stopped(BaseException):
    """What stops a learner's code from outside. No `except Exception` stops this."""


class TimeIsUp(Stopped):
    """Its time is up."""


class Interrupted(Stopped, KeyboardInterrupt):
    """Someone pressed Ctrl-C or the stop button; a learner's own KeyboardInterrupt is none."""


class time_limit:
    """Raise TimeIsUp in the block after `seconds`, or at its end if nothing could stop it sooner.

    Python code is stopped, and what waits: a sleep, a lock, a queue, a child, a socket. Not stopped
    before its end is one long operation of a library, and code that ignores interrupts. Where there
    are no signals to a thread (Windows), what waits is not stopped either.

    Works in the main thread; elsewhere there is no limit. A real interrupt raises Interrupted. No
    interrupt is raised while the limit itself begins or ends: it would never end then, and go on
    interrupting whatever comes later. (Of a generator's `with` block that cannot be made sure.)
    """

    def __init__(self, seconds: float):
        self.seconds = seconds

    def __enter__(self) -> None:
        self.here = threading.current_thread() is threading.main_thread()
        if not self.here:
            return
        self.lock, self.ended = threading.Lock(), threading.Event()
        self.over = self.late = self.missed = False
        # A process started in the background ignores SIGINT, and interrupt_main() with it.
        self.before = signal.signal(signal.SIGINT, self._interrupt)
        threading.Thread(target=self._watch, daemon=True).start()

    def __exit__(self, kind, error, trace) -> None:
        if not self.here:
            return
        self.over = True  # an interrupt that is still on its way is ignored
        with self.lock:
            self.ended.set()
        signal.signal(signal.SIGINT, self.before or signal.default_int_handler)
        if self.missed:
            raise Interrupted
        if kind is None and self.late:
            raise TimeIsUp

    def _watch(self) -> None:
        wait = self.seconds
        while not self.ended.wait(wait):
            with self.lock:
                if not self.over:
                    self.late = True
                    _interrupt_main()
            wait = 1  # code that swallows the first interrupt gets another one

    def _interrupt(self, number, frame) -> None:
        within = (time_limit.__enter__.__code__, time_limit.__exit__.__code__)
        while frame is not None:
            if frame.f_code in within:
                self.missed |= not self.late
                return
            frame = frame.f_back
        raise TimeIsUp if self.late else Interrupted


def _interrupt_main() -> None:
    """Interrupt the main thread: a real signal also wakes what waits in the operating system."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
    else:
        _thread.interrupt_main()


class Printed(io.TextIOBase):
    """Keeps the first `limit` characters written to it, and counts the rest."""

    encoding = "utf-8"

    def __init__(self, limit: int = 1000):
        self.limit, self.kept, self.length = limit, "", 0

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.length += len(text)
        self.kept += text[: max(0, self.limit - len(self.kept))]
        return len(text)

    def __str__(self):
        rest = self.length - len(self.kept)
        lines = without_codes(self.kept).replace("\r\n", "\n").split("\n")
        text = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines)
        return text.rstrip() + (f"\n... and {rest:,} characters more" if rest else "")


def without_codes(text: str) -> str:
    """Return the text without what colours it, or moves the cursor, in a terminal."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x08", "", text)


@contextlib.contextmanager
def printed():
    """Catch what is printed in the block, so that a flood of it does no harm."""
    out = Printed()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        yield out
