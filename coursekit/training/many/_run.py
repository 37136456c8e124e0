"""One call of `fit_many`: the route of each model, the epochs, callbacks, interrupts."""

import contextlib
import os
import warnings
from concurrent.futures import ThreadPoolExecutor, wait

from coursekit.training.many._alike import fingerprint
from coursekit.training.many._data import batch_order
from coursekit.training.many._fallback import fit_one
from coursekit.training.many._routes import overrides, reason_for_fit


class Member:
    """One model on its way through `fit_many`."""

    def __init__(self, model, rows, validation_rows, callbacks, seed):
        self.model, self.seed, self.callbacks = model, seed, callbacks
        self.rows, self.validation_rows = rows, validation_rows
        self.reason = ""  # why it goes to `fit`
        self.program = None
        self.groups = None  # with a shared program: the variables behind each entry of the state
        self.names: list[str] = []
        self.order = None  # its rows in this epoch
        self.state = self.backup = None
        self.written = True  # whether the model's variables hold the state
        self.hooks = self.history = None
        self.done = None  # the epoch that is finished, and its logs
        self.test_hooks = overrides(callbacks, "on_test_begin", "on_test_end")
        self.active = True

    def begin_epoch(self, order):
        """Remember where the epoch starts: an error brings the model back there."""
        programs = backend_programs()
        self.order = order
        if self.groups is None:
            self.backup = programs.pull([[v] for v in programs.state_of(self.model)])
            return
        if self.state is None or self.callbacks:
            self.state = programs.pull(self.groups)
        self.backup = self.state

    def train(self, validation):
        """Run one epoch, in a thread, and return its logs.

        Where a callback wants to be called before the validation, that is left to `test`.
        """
        validation_rows = self.validation_rows if validation and not self.test_hooks else None
        if self.groups is None:
            logs = [self.program.run_train(self.order)]
            if validation_rows is not None:
                logs.append(self.program.run_test(validation_rows))
        else:
            self.state, logs = self.program.run(self.state, self.order, validation_rows, self.names)
            self.written = False
        merged = _plain(logs[0])
        for one in logs[1:]:
            merged.update(_plain(one, "val_"))
        return merged

    def test(self):
        """Run the validation that `train` left out."""
        if self.groups is None:
            return _plain(self.program.run_test(self.validation_rows))
        state = backend_programs().pull(self.groups)  # a callback may have changed it
        self.state, logs = self.program.run_test(state, self.validation_rows, self.names)
        self.written = False
        self.write()
        return _plain(logs)

    def roll_back(self):
        """Undo an epoch that did not finish."""
        programs = backend_programs()
        if self.backup is None:
            return
        if self.groups is None:
            programs.push([[v] for v in programs.state_of(self.model)], self.backup)
        else:
            self.state, self.written = self.backup, False
        self.backup = None

    def end_epoch(self, epoch, logs):
        """Count the epoch as finished: an interrupt in a callback no longer undoes it."""
        self.done = epoch, logs
        self.backup = None

    def enter(self):
        """Enter a finished epoch whose callbacks were interrupted into the history."""
        if self.backup is None and self.done and len(self.history.epoch) <= self.done[0]:
            self.history.on_epoch_end(*self.done)

    def write(self):
        """Bring the state into the model's variables."""
        if self.groups is not None and not self.written:
            backend_programs().push(self.groups, self.state)
            self.written = True

    def finish(self):
        """End the training of this model."""
        if self.active:
            self.active = False
            self.write()
            self.model.optimizer.finalize_variable_values(self.model.trainable_variables)
            self.hooks.on_train_end(self.done and self.done[1])


class Run:
    """One call of `fit_many`."""

    def __init__(self, members, data, validation, epochs, batch_size, shuffle, verbose, keep=None):
        self.members, self.data, self.validation = members, data, validation
        self.epochs, self.batch_size, self.shuffle = epochs, batch_size, shuffle
        self.verbose = verbose
        self.interrupted = False
        self.keep, self.begin = keep, 0

    def __call__(self):
        import keras

        self._choose_routes()
        for member in self.members:
            if member.reason and not self.interrupted:
                self._fit(member)
        traced = [m for m in self.members if not m.reason]
        for member in traced:
            member.hooks = keras.callbacks.CallbackList(
                member.callbacks,
                add_history=True,
                model=member.model,
                verbose=0,
                epochs=self.epochs,
                steps=-(-len(member.rows) // self.batch_size),
            )
            member.history = member.model.history
        if traced and not self.interrupted:
            self._train(traced)
        return self._histories()

    def _histories(self):
        import keras

        histories = []
        for member in self.members:
            history = member.history or keras.callbacks.History()
            history.epoch = getattr(history, "epoch", [])
            history.params = {**(history.params or {}), "interrupted": self.interrupted}
            member.model.history = history
            histories.append(history)
        if self.interrupted:
            done = [len(history.epoch) for history in histories]
            warnings.warn(
                f"`fit_many` was interrupted after {min(done)} to {max(done)} of {self.epochs} "
                "epochs. The models keep the weights of their last finished epoch.",
                stacklevel=4,
            )
        return histories

    def _fit(self, member):
        warnings.warn(f"`fit_many` trains a model by `fit`: {member.reason}.", stacklevel=4)
        member.history, self.interrupted = fit_one(
            member.model,
            self.data,
            member.rows,
            member.seed,
            self.validation,
            member.validation_rows,
            batch_size=self.batch_size,
            shuffle=self.shuffle,
            epochs=self.epochs,
            callbacks=member.callbacks,
            keep=self.keep and self.keep.alone(self.members.index(member)),
        )

    def _choose_routes(self):
        import keras

        for member in self.members:
            member.reason = reason_for_fit(member, (self.data, self.validation))
        traced = [m for m in self.members if not m.reason]
        if not traced:
            return
        if keras.backend.backend() == "jax":
            from coursekit.training.many._jax_plan import plan

            shared = plan(
                traced, self.data, self.validation, self.batch_size, _workers(len(traced))
            )
            self._tell(shared)
            return
        from coursekit.training.many import _programs as programs
        from coursekit.training.many._disk_feed import feed

        both = [part for part in (self.data, self.validation) if part is not None]
        feeds = [feed(part, self.batch_size) for part in both]
        alike: dict[str, list] = {}
        begun = {}  # TensorFlow prepares a program while further models are built
        for member in traced:
            try:
                programs.build(member.model, self.data)
            except Exception as error:
                member.reason = f"it cannot be built in a `StatelessScope` ({_line(error)})"
                continue
            with contextlib.suppress(Exception):  # what cannot be compared runs alone
                if not member.test_hooks:
                    kind = fingerprint(member.model)
                    group = alike.setdefault(kind, [])
                    group.append(member)
                    if len(group) == 2:
                        begun[kind] = self._program(group, feeds)
        shared = 0
        for kind, program in begun.items():
            if program is not None and self._share(alike[kind], program, len(feeds)):
                shared += len(alike[kind])
        for member in traced:
            if member.program is None and not member.reason:
                try:
                    rows = [member.rows, member.validation_rows][: len(feeds)]
                    member.program = programs.OwnProgram(member.model, feeds, rows)
                except Exception as error:
                    member.reason = f"its step cannot be traced ({_line(error)})"
        self._tell(shared)

    def _program(self, group, feeds):
        """Trace what the models of a group share; None where that cannot be."""
        from coursekit.training.many import _programs as programs

        try:
            program = programs.SharedProgram(group[0].model, feeds)
            self._trace(program, group, len(feeds))
        except Exception:  # whatever it is: the model's own step decides
            return None
        return program

    def _trace(self, program, group, parts):
        for member in group:
            program.trace([member.rows, member.validation_rows][:parts])

    def _share(self, group, program, parts) -> bool:
        try:
            self._trace(program, group, parts)
            program.wait()
            groups = [program.layout.groups(member.model) for member in group]
        except Exception:  # as above
            return False
        for member, variables in zip(group, groups, strict=True):
            member.program, member.groups = program, variables
            member.names = list(member.model.get_metrics_result())
        return True

    def _tell(self, shared):
        if not self.verbose:
            return
        fit = sum(bool(m.reason) for m in self.members)
        own = len(self.members) - fit - shared
        routes = [
            (shared, "by a shared program"),
            (own, "by their own programs"),
            (fit, "by `fit`"),
        ]
        told = ", ".join(f"{count} {route}" for count, route in routes if count)
        print(f"fit_many: {len(self.members)} models, {self.epochs} epochs; {told}.")

    def _train(self, traced):
        try:
            with _threads(_workers(len(traced))) as self.pool:
                for member in traced:
                    member.model.stop_training = False
                    if not self.keep:
                        member.hooks.on_train_begin()
                if self.keep:
                    self.begin = self.keep.begin(traced)
                self._epochs(traced)
        except KeyboardInterrupt:
            self.interrupted = True
        except BaseException:
            for member in traced:
                member.roll_back()
                member.write()
            raise
        for member in traced:
            member.enter()
            member.roll_back()
            member.finish()

    def _epochs(self, traced):
        import keras

        bar = None
        if self.verbose:
            bar = keras.utils.Progbar(
                self.epochs, verbose=self.verbose, unit_name="epoch", stateful_metrics=["loss"]
            )
        for epoch in range(self.begin, self.epochs):
            active = [member for member in traced if member.active]
            if not active:  # all had ended when they were kept
                break
            losses = self._epoch(epoch, active)
            if bar is not None and losses:
                bar.update(epoch + 1, [("loss", sum(losses) / len(losses))])
            ended = not any(member.active for member in traced)
            if self.keep and not self.interrupted:
                self.keep.save(traced, epoch + 1, ended or epoch + 1 == self.epochs)
            if self.interrupted or ended:
                break

    def _epoch(self, epoch, active):
        for member in active:
            member.hooks.on_epoch_begin(epoch)
        jobs = []
        for member in active:
            order = batch_order(member.rows, member.seed, epoch, self.shuffle)
            if member.model.stop_training:  # set before the epoch: `fit` stops after one batch
                order = order[: self.batch_size]
            jobs.append((member.train, self.validation is not None))
            member.begin_epoch(order)
        logs = self._run(jobs)
        if self.validation is not None:
            for member, one in zip(active, logs, strict=True):
                if member.test_hooks:
                    member.write()
                    member.hooks.on_test_begin()
                    measured = self._run([(member.test,)])[0]
                    member.hooks.on_test_end(measured)
                    one.update({f"val_{name}": value for name, value in measured.items()})
        for member, one in zip(active, logs, strict=True):
            member.end_epoch(epoch, one)
        for member, one in zip(active, logs, strict=True):
            if member.callbacks:
                member.write()
            member.hooks.on_epoch_end(epoch, one)
            if member.model.stop_training:
                member.finish()
        return [one["loss"] for one in logs if "loss" in one]

    def _run(self, jobs):
        """Run jobs in threads. An interrupt waits for their end."""
        futures = [self.pool.submit(*job) for job in jobs]
        while True:
            try:
                wait(futures)
                break
            except KeyboardInterrupt:
                self.interrupted = True
        return [future.result() for future in futures]


def _plain(logs, prefix=""):
    return {f"{prefix}{k}": float(v) if v.ndim == 0 else v for k, v in logs.items()}


def _workers(models) -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(models, cores or 1, 8))


def _threads(count) -> ThreadPoolExecutor:
    import keras

    if keras.backend.backend() == "jax":
        return ThreadPoolExecutor(count)
    from coursekit.training.many._one_thread import threads

    return threads(count)


def _line(error) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:120]}" if text else type(error).__name__


def backend_programs():
    """Return the module that reads and writes a model's state on this backend."""
    import keras

    if keras.backend.backend() == "jax":
        from coursekit.training.many import _jax

        return _jax
    from coursekit.training.many import _programs

    return _programs
