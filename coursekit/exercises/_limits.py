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


@contextlib.contextmanager
def time_limit(seconds: float):
    """Raise TimeIsUp in the block after `seconds`, or at its end if nothing could stop it sooner.

    Python code is stopped, and what waits: a sleep, a lock, a queue, a child, a socket. Not stopped
    before its end is one long operation of a library, and code that ignores interrupts. Where there
    are no signals to a thread (Windows), what waits is not stopped either.

    Works in the main thread; elsewhere there is no limit. A real interrupt raises Interrupted.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    lock, over, late = threading.Lock(), False, False
    ended = threading.Event()

    def watch():
        nonlocal late
        wait = seconds
        while not ended.wait(wait):
            with lock:
                if not over:
                    late = True
                    _interrupt_main()
            wait = 1  # code that swallows the first interrupt gets another one

    def interrupt(number, frame):
        if not late:
            raise Interrupted
        if not over:
            raise TimeIsUp

    # A process started in the background ignores SIGINT, and interrupt_main() with it.
    before = signal.signal(signal.SIGINT, interrupt)
    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
        if late:
            raise TimeIsUp
    finally:
        over = True  # an interrupt that is still on its way is ignored
        with lock:
            ended.set()
        signal.signal(signal.SIGINT, before or signal.default_int_handler)


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
