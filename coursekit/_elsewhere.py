"""Work in other processes, by any `concurrent.futures.Executor`: a pool, Dask's, MPI's.

A function and what it needs travel as one recipe, by cloudpickle, so that functions of a notebook
travel too. Weights are drawn from random states that the whole process shares, also with a
cluster's own threads, and a fork of TensorFlow hangs; so each worker trains in a Python of its own,
begun at its first piece. A worker that dies loses its piece, which is done again.
"""

import concurrent.futures
import contextlib
import os
import platform
import queue
import subprocess
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from coursekit._checks import brief
from coursekit._settings import applied, environment, settings, versions

TRIES = 3  # of a piece whose worker is lost
OWN = threading.local()
MUST_AGREE = "keras", "keras-coursekit", "numpy", "tensorflow", "jax"


class Recipe(NamedTuple):
    """What a worker gets with each piece.

    Attributes:
        content: the function and what all pieces share, pickled.
        settings: of Keras and its backend, for the whole process.
        environment: the variables that decide numbers.
        versions: of what decides the numbers.
        path: where the caller finds modules.
    """

    content: bytes
    settings: dict[str, Any]
    environment: tuple[tuple[str, str | None], ...]
    versions: dict[str, str | None]
    path: list[str]


class Done(NamedTuple):
    """What a piece gave, with the warnings on the way; or the error that ended it."""

    result: Any
    told: list[str]
    error: BaseException | None


def check_executor(executor: Any) -> None:
    """Refuse what is no executor, and what cannot travel to one."""
    names = "submit", "shutdown"
    if isinstance(executor, type) or not all(callable(getattr(executor, n, None)) for n in names):
        way_out = "With Dask: client.get_executor()"
        raise TypeError(
            "`executor` must be a concurrent.futures.Executor, such as "
            f"ProcessPoolExecutor(4). Received: {brief(executor, 80)}. {way_out}"
        )
    import keras

    tf = sys.modules.get("tensorflow")
    if tf is not None and tf.distribute.has_strategy():
        raise ValueError(
            "`executor` must be left out in the scope of a strategy. Received: both. Leave the "
            "scope: each worker trains on the device that it finds."
        )
    if keras.distribution.distribution() is not None:
        raise ValueError(
            "`executor` must be left out where keras.distribution is set. Received: both. Call "
            "keras.distribution.set_distribution(None) first."
        )


def pieces_of(todo: Sequence, executor: Any, whole: bool = False) -> list[list]:
    """Divide work among the workers of an executor, if it tells how many there are.

    Args:
        todo: what is to be done.
        executor: who does it.
        whole: one piece for each item, so that little is lost with a worker.
    """
    workers = getattr(executor, "_max_workers", None)
    most = 1 if whole or not isinstance(workers, int) else -(-len(todo) // max(1, workers))
    return [list(todo[i : i + most]) for i in range(0, len(todo), most)]


def elsewhere(
    executor: Any, function: Callable[[Any, Any], Any], shared: Any, pieces: Sequence
) -> Iterator[tuple[int, Any]]:
    """Yield the number of each piece and `function(shared, piece)`, as they are finished.

    Args:
        executor: who does the work.
        function: of a module, called in the worker.
        shared: what all pieces need.
        pieces: what is to be done, each by itself.

    Raises:
        RuntimeError: where a piece has lost its worker three times.
        TypeError: for what cannot be pickled.
        Exception: what the function raises, with a note of where.
    """
    recipe, own = recipe_of(function, shared), None
    tries = dict.fromkeys(range(len(pieces)), 0)
    left: dict[concurrent.futures.Future, int] = {}
    told: set[str] = set()

    def begin(number: int) -> None:
        nonlocal own
        tries[number] += 1
        try:
            future = (own or executor).submit(work, recipe, pieces[number])
        except (concurrent.futures.BrokenExecutor, RuntimeError) as error:
            if not isinstance(error, concurrent.futures.BrokenExecutor):
                raise  # it has been shut down
            # A broken pool takes no more: threads of ours, each with a Python, stand in for it.
            own = own or concurrent.futures.ThreadPoolExecutor(_workers(executor))
            future = own.submit(work, recipe, pieces[number])
        left[future] = number

    try:
        for number in range(len(pieces)):
            begin(number)
        while left:
            ready, _ = concurrent.futures.wait(left, return_when="FIRST_COMPLETED")
            for future in ready:
                number = left.pop(future)
                try:
                    done = future.result()
                except Exception as error:  # the worker's end: what `work` raises it returns
                    if tries[number] >= TRIES:
                        raise RuntimeError(
                            f"A worker was lost {TRIES} times with {brief(pieces[number], 80)} "
                            f"({type(error).__name__}: {brief(str(error), 200)}). Is its memory "
                            "enough? Fewer workers need less."
                        ) from error
                    warnings.warn(
                        f"A worker was lost ({type(error).__name__}); its work is done again.",
                        stacklevel=6,
                    )
                    begin(number)
                    continue
                for text in done.told:
                    if text not in told:
                        told.add(text)
                        warnings.warn(text, stacklevel=6)
                if done.error is not None:
                    raise done.error
                yield number, done.result
    finally:
        for future in left:
            future.cancel()
        if own is not None:
            own.shutdown(wait=False, cancel_futures=True)


def _workers(executor: Any) -> int:
    workers = getattr(executor, "_max_workers", None)
    return workers if isinstance(workers, int) else os.cpu_count() or 1


def recipe_of(function: Callable, shared: Any) -> Recipe:
    """Pack what all pieces share."""
    import cloudpickle

    try:
        content = cloudpickle.dumps((function, shared))
    except Exception as error:  # whatever an object's own __reduce__ raises
        raise TypeError(
            "What goes to an `executor` must be picklable. Received: something that is not "
            f"({type(error).__name__}: {brief(str(error), 200)}). Make it inside the function that "
            "builds the model, such as a lock or an open file."
        ) from None
    return Recipe(content, settings(), environment(), versions(*MUST_AGREE), sys.path[:])


def work(recipe: Recipe, piece: Any) -> Done:
    """Do one piece: what a worker calls. It is done by a Python of this thread's own."""
    key = (recipe.settings["backend"], tuple(recipe.path), recipe.environment)
    if getattr(OWN, "key", None) != key:
        OWN.python, OWN.key = Python(*key), key
    try:
        return OWN.python.ask((recipe, piece))
    except (OSError, EOFError):
        code, OWN.key = OWN.python.process.poll(), None
        raise ChildProcessError(f"its process ended with {code}") from None


class Python:
    """A Python that does pieces one by one, and ends with who began it.

    Args:
        backend: Keras's, there.
        path: where it finds modules.
        decides: environment variables, None for what is not to be set.
    """

    def __init__(
        self, backend: str, path: Sequence[str], decides: Sequence[tuple[str, str | None]]
    ):
        wanted = dict(decides)
        wanted["PYTHONPATH"] = os.pathsep.join(p for p in path if p)
        wanted["KERAS_BACKEND"] = backend
        own = {k: v for k, v in os.environ.items() if k not in wanted}
        own |= {k: v for k, v in wanted.items() if v is not None}
        command = [sys.executable, "-c", "from coursekit._elsewhere import main; main()"]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, env=own, stdin=pipe, stdout=pipe)

    def ask(self, question: Any) -> Any:
        """Send a question and wait for the answer; EOFError where there will be none."""
        write(self.process.stdin, question)
        return read(self.process.stdout)

    def __del__(self):
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()
        self.process.kill()
        self.process.wait()


def write(stream, value: Any) -> None:
    """Write a value, with its length before it."""
    import cloudpickle

    content = cloudpickle.dumps(value)
    stream.write(len(content).to_bytes(8, "big"))
    stream.write(content)
    stream.flush()


def read(stream) -> Any:
    """Read a value; EOFError at the end."""
    import cloudpickle

    length = stream.read(8)
    content = stream.read(int.from_bytes(length, "big")) if len(length) == 8 else b""
    if not content:
        raise EOFError
    return cloudpickle.loads(content)


def main() -> None:
    """Answer questions until nobody asks: the process that `Python` begins."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a learner's code prints is no answer
    questions: queue.Queue = queue.Queue()

    def listen():
        while True:
            try:
                questions.put(read(sys.stdin.buffer))
            except BaseException:  # who asked is gone: so is the need for an answer
                os._exit(1)

    threading.Thread(target=listen, daemon=True).start()
    while True:
        write(answers, _here(*questions.get()))


def _here(recipe: Recipe, piece: Any) -> Done:
    told: list[warnings.WarningMessage] = []
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("default")
            result = _run(recipe, piece)
        error = None
    except Exception as raised:  # the caller raises it
        result, error = None, _sendable(raised)
    texts = [str(one.message) for one in told if issubclass(one.category, UserWarning)]
    return Done(result, texts, error)


def _run(recipe: Recipe, piece: Any) -> Any:
    here, there = versions(*MUST_AGREE), recipe.versions
    differ = {k: (v, there[k]) for k, v in here.items() if v != there[k]}
    if differ:
        listed = ", ".join(f"{k} {theirs}, not {ours}" for k, (theirs, ours) in differ.items())
        raise ValueError(f"A worker's versions must be the caller's. Received: {listed}.")
    with applied(recipe.settings):
        import cloudpickle

        function, shared = cloudpickle.loads(recipe.content)
        return function(shared, piece)


def _sendable(error: Exception) -> Exception:
    """Return the error with a note of where it was raised; as words if it cannot travel."""
    import cloudpickle

    where = f"raised in a worker: process {os.getpid()} on {platform.node()}"
    text = "".join(traceback.format_exception(error))
    try:
        kind, arguments = type(error), error.args
        error = error.with_traceback(None)
        error.__cause__ = error.__context__ = None
        same = cloudpickle.loads(cloudpickle.dumps(error))
        if type(same).__qualname__ != kind.__qualname__ or same.args != arguments:
            raise TypeError("it does not travel")
    except Exception:
        error = RuntimeError(text)
    error.add_note(f"{where}\n{text}")
    return error
