"""Searches over several processes: KerasTuner's chief and workers, and an end to waiting.

KerasTuner's protocol has no sign of life. When a worker dies, its chief waits for ever; when the
chief dies, a worker waits for an hour; and a chief whose oracle gives up after failed trials locks
itself out. Here every worker calls in each second, beside KerasTuner's own calls, and every wait
has an end and a message.
"""

import contextlib
import os
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import keras_tuner

SERVICE = "coursekit.Workers"
CALL_SECONDS = 1.0  # between a worker's signs of life
RESUME = "Start the chief and its workers again, with the same directory, to go on."


def is_chief() -> bool:
    """Whether this process serves the trials, by KerasTuner's variables."""
    from keras_tuner.src.distribute import utils

    return utils.is_chief_oracle()


def is_worker() -> bool:
    """Whether this process asks another one for trials."""
    from keras_tuner.src.distribute import utils

    return utils.has_chief_oracle() and not utils.is_chief_oracle()


def address() -> str:
    """Where the chief listens."""
    return f"{os.environ['KERASTUNER_ORACLE_IP']}:{os.environ['KERASTUNER_ORACLE_PORT']}"


class RollCall:
    """Which workers are there; what a lost one had goes to the others.

    Args:
        oracle: the chief's oracle.
        silence_seconds: how long a worker may be silent.
    """

    def __init__(self, oracle: keras_tuner.Oracle, silence_seconds: float):
        self.oracle, self.silence_seconds = oracle, silence_seconds
        self.heard: dict[str, float] = {}
        self.lost: list[str] = []
        self.stopping = False  # the oracle has told someone to stop
        self.failure: Exception | None = None  # the oracle has given up

    def alive(self, worker: str) -> str:
        """Note a sign of life; the answer says whether the worker still counts."""
        if worker in self.lost:
            return "lost"
        self.heard[worker] = time.monotonic()
        return "ok"

    def leave(self, worker: str) -> str:
        """Note that a worker ends; if it has unfinished trials, it counts as lost."""
        self.heard.pop(worker, None)
        self._hand_over(worker, "has left")
        return "ok"

    def over(self) -> bool:
        """Whether all is done. Raises when it cannot be done any more."""
        if self.failure is not None:
            raise RuntimeError(f"The search has ended: {self.failure}") from self.failure
        now, oracle = time.monotonic(), self.oracle
        for worker in [w for w, last in self.heard.items() if now - last > self.silence_seconds]:
            del self.heard[worker]
            self._hand_over(worker, f"has been silent for {self.silence_seconds:.0f} seconds")
        if self.heard or oracle.ongoing_trials or oracle.tuner_ids:
            return False
        if self.stopping and not oracle._retry_queue:
            return True
        if self.lost:
            raise ConnectionError(
                f"No worker is left: {', '.join(self.lost)} went silent. {len(oracle.end_order)} "
                f"trials are finished and kept, {len(oracle._retry_queue)} are not. {RESUME}"
            )
        return False

    def _hand_over(self, worker: str, why: str) -> None:
        oracle = self.oracle
        slots = {*oracle.ongoing_trials, *oracle.tuner_ids}
        slots = [slot for slot in slots if slot.rsplit("/", 1)[0] == worker]
        if not slots:
            return
        self.lost.append(worker)
        running = [oracle.ongoing_trials.pop(s) for s in slots if s in oracle.ongoing_trials]
        trials = sorted(trial.trial_id for trial in running)
        oracle.tuner_ids.difference_update(slots)
        oracle._retry_queue.extend(trials)
        oracle.save()
        warnings.warn(
            f"{worker} {why}. The trials it had, {', '.join(trials) or 'none'}, go to the others.",
            stacklevel=2,
        )


def serve(oracle: keras_tuner.Oracle, silence_seconds: float) -> None:
    """Give trials to the workers until the oracle has no more and all are done.

    Raises:
        ConnectionError: when no worker is left.
        RuntimeError: when the oracle gives up, or the address cannot be used.
    """
    import grpc
    from keras_tuner.src import protos

    roll = RollCall(oracle, silence_seconds)
    # One thread answers every call and looks at the roll: nothing needs a lock.
    thread = ThreadPoolExecutor(max_workers=1)
    server = grpc.server(thread)
    protos.get_service_grpc().add_OracleServicer_to_server(_servicer(roll), server)
    calls = {
        name: grpc.unary_unary_rpc_method_handler(
            lambda worker, _, answer=answer: answer(worker.decode()).encode()
        )
        for name, answer in (("Alive", roll.alive), ("Leave", roll.leave))
    }
    handler = grpc.method_handlers_generic_handler(SERVICE, calls)
    server.add_generic_rpc_handlers((handler,))
    if not server.add_insecure_port(address()):
        raise RuntimeError(f"The chief must be able to listen. Received: {address()}, in use.")
    server.start()
    try:
        while not thread.submit(roll.over).result():
            time.sleep(0.1)
    finally:
        server.stop(grace=5).wait()
        thread.shutdown()
        oracle.save()


def _servicer(roll: RollCall):
    import grpc
    from keras_tuner.src.distribute.oracle_chief import OracleServicer

    class Servicer(OracleServicer):
        """KerasTuner's; it takes results from those who have the trial, and notes what it says."""

        def CreateTrial(self, request, context):
            answer = super().CreateTrial(request, context)
            roll.stopping = self.stop_triggered
            return answer

        def UpdateTrial(self, request, context):
            self._refuse_strangers(request.trial_id, context)
            return super().UpdateTrial(request, context)

        def EndTrial(self, request, context):
            self._refuse_strangers(request.trial.trial_id, context)
            try:
                return super().EndTrial(request, context)
            except RuntimeError as error:
                roll.failure = error
                raise

        def _refuse_strangers(self, trial_id, context):
            running = [trial.trial_id for trial in self.oracle.ongoing_trials.values()]
            if trial_id not in running:
                context.abort(
                    grpc.StatusCode.FAILED_PRECONDITION, f"trial {trial_id} is not running here"
                )

    return Servicer(roll.oracle)


class Connection:
    """A worker's line to the chief: signs of life out, and an error when the chief is gone.

    Args:
        client: the worker's `OracleClient`.
        worker: its name.
        silence_seconds: how long the chief may be silent.
    """

    def __init__(self, client, worker: str, silence_seconds: float):
        import grpc

        self.worker, self.silence_seconds = worker, silence_seconds
        channel = grpc.insecure_channel(address())
        self._alive = channel.unary_unary(f"/{SERVICE}/Alive")
        self._leave = channel.unary_unary(f"/{SERVICE}/Leave")
        self._done = threading.Event()
        self._problem = ""
        self._thread = threading.Thread(target=self._call_in, daemon=True)
        client.stub = _Patient(client.stub, silence_seconds)

    def __enter__(self):
        import grpc

        try:  # before the first trial, so that the chief knows who has it
            self._alive(self.worker.encode(), wait_for_ready=True, timeout=self.silence_seconds)
        except grpc.RpcError:
            raise ConnectionError(_no_answer(self.silence_seconds)) from None
        self._thread.start()
        return self

    def __exit__(self, *_):
        import grpc

        self._done.set()
        self._thread.join()
        with contextlib.suppress(grpc.RpcError):  # the chief may be gone by now
            self._leave(self.worker.encode(), timeout=5.0)

    def check(self) -> None:
        """Raise if the chief is gone, or has given this worker up."""
        if self._problem:
            raise ConnectionError(self._problem)

    def _call_in(self) -> None:
        import grpc

        last = time.monotonic()
        while not self._done.wait(CALL_SECONDS):
            try:
                answer = self._alive(self.worker.encode(), timeout=self.silence_seconds)
            except grpc.RpcError:
                if time.monotonic() - last > self.silence_seconds:
                    self._problem = _no_answer(self.silence_seconds)
                    return
                continue
            last = time.monotonic()
            if answer == b"lost":
                self._problem = (
                    f"The chief had given {self.worker} up: it was silent for too long, and its "
                    "trials went to others. Start this worker again under another name."
                )
                return


class _Patient:
    """KerasTuner's calls to the chief, with an end to the waiting."""

    def __init__(self, stub, seconds: float):
        self._stub, self._seconds = stub, seconds

    def __getattr__(self, name):
        import grpc

        method = getattr(self._stub, name)

        def call(request, wait_for_ready=True, timeout=None):
            try:
                return method(request, wait_for_ready=wait_for_ready, timeout=self._seconds)
            except grpc.RpcError as error:
                if error.code() in (
                    grpc.StatusCode.UNAVAILABLE,
                    grpc.StatusCode.DEADLINE_EXCEEDED,
                ):
                    raise ConnectionError(_no_answer(self._seconds)) from None
                raise RuntimeError(f"The chief ends the search: {error.details()}") from None

        return call


def _no_answer(seconds: float) -> str:
    return (
        f"The chief at {address()} has not answered for {seconds:.0f} seconds. What it was told "
        f"is kept. {RESUME}"
    )
