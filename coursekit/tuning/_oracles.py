"""What KerasTuner's oracles lack for searches that run wide, stop and go on.

KerasTuner 1.4.8 writes its files in place, so that a kill can leave half a file; after a kill it
runs a finished trial once more, and loses one that was about to begin; it adds the results of a
repeated trial to those of the run that failed; and its grid names one point at a time, and forgets
on reloading where it was, which ends the search at once.
"""

import functools
import json
from pathlib import Path

from keras_tuner import Oracle, synchronized
from keras_tuner.engine.trial import TrialStatus
from keras_tuner.oracles import GridSearchOracle

from coursekit._files import write_whole


def adapt(oracle: Oracle) -> None:
    """Give an oracle what is missing, in place; it remains an instance of its class."""
    if isinstance(oracle, _Safe):
        return
    added = (_Wide, _Safe) if isinstance(oracle, GridSearchOracle) else (_Safe,)
    kind = type(oracle)
    oracle.__class__ = type(kind.__name__, (*added, kind), {})


def check_trials(oracle: Oracle) -> None:
    """Refuse trials whose files have been damaged in a way that KerasTuner takes for good."""
    statuses = [value for name, value in vars(TrialStatus).items() if name.isupper()]
    for name, trial in oracle.trials.items():
        whole = isinstance(trial.score, int | float | type(None)) and trial.status in statuses
        if (
            not whole
            or trial.trial_id != name
            or not isinstance(trial.hyperparameters.values, dict)
        ):
            raise ValueError(f"trial_{name}/trial.json does not hold a trial")
        if trial.status == TrialStatus.COMPLETED and trial.score is None:
            raise ValueError(f"trial_{name}/trial.json has no score")


class OffTheGrid(ValueError):
    """The trials on disk are not those of this grid."""


class _Safe(Oracle):
    """Files written whole or not at all; a trial that runs again starts without results."""

    def save(self):
        write_whole(Path(self._get_oracle_fname()), json.dumps(self.get_state()))

    def _save_trial(self, trial):
        file = Path(self._get_trial_dir(trial.trial_id)) / "trial.json"
        write_whole(file, json.dumps(trial.get_state()))

    def reload(self):
        super().reload()
        lost = [trial for trial in self.start_order if trial not in self.trials]
        if lost:
            raise ValueError(f"trial_{lost[0]}/trial.json is missing")
        # A kill before the oracle's own file took note of a trial: it is drawn again, the same.
        for trial in set(self.trials) - set(self.start_order):
            del self.trials[trial]
        # A kill before it took note of a trial's end.
        ended = TrialStatus.COMPLETED, TrialStatus.FAILED
        self.end_order += [
            trial for trial in self.start_order
            if self.trials[trial].status in ended and trial not in self.end_order
        ]  # fmt: skip
        # A trial leaves the list of the running ones after the last save of its end.
        open_ = TrialStatus.RUNNING, TrialStatus.INVALID
        waiting = dict.fromkeys(self._retry_queue)
        self._retry_queue = [trial for trial in waiting if self.trials[trial].status in open_]

    @synchronized
    def create_trial(self, tuner_id):
        is_new = tuner_id not in self.ongoing_trials
        trial = super().create_trial(tuner_id)
        if is_new and trial.status == TrialStatus.RUNNING:
            trial.metrics = type(trial.metrics)()
        return trial


class _Wide(GridSearchOracle):
    """A grid that hands out its next point while the one before still runs."""

    def populate_space(self, trial_id):
        response = super().populate_space(trial_id)
        if response["status"] == TrialStatus.RUNNING:
            self._populate_next.append(trial_id)
        return response

    def reload(self):
        super().reload()
        by_place = functools.cmp_to_key(
            lambda a, b: self._compare(a.hyperparameters.values, b.hyperparameters.values)
        )
        try:
            trials = sorted(self.trials.values(), key=by_place)
        except (KeyError, ValueError) as error:
            raise OffTheGrid(
                "A grid can go on only with its own points. Received: a folder with trials that "
                f"are not on this grid ({error}). Choose another `directory` or `project_name`, or "
                "pass overwrite=True."
            ) from None
        for trial in trials:
            self._ordered_ids.insert(trial.trial_id)
            self._populate_next.append(trial.trial_id)
