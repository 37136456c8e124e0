"""What KerasTuner's oracles lack for searches that run wide, stop and go on.

KerasTuner 1.4.8 writes its files in place, so that a kill can leave half a file; runs a finished
trial once more after a kill; adds the results of a repeated trial to those of the run that failed;
and its grid names one point at a time, and forgets on reloading where it was, which ends the search
at once.
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


class _Safe(Oracle):
    """Files written whole or not at all; a trial that runs again starts without results."""

    def save(self):
        write_whole(Path(self._get_oracle_fname()), json.dumps(self.get_state()))

    def _save_trial(self, trial):
        file = Path(self._get_trial_dir(trial.trial_id)) / "trial.json"
        write_whole(file, json.dumps(trial.get_state()))

    def reload(self):
        super().reload()
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
            raise ValueError(
                "A grid can go on only with its own points. Received: a folder with trials that "
                f"are not on this grid ({error}). Choose another `directory` or `project_name`, or "
                "pass overwrite=True."
            ) from None
        for trial in trials:
            self._ordered_ids.insert(trial.trial_id)
            self._populate_next.append(trial.trial_id)
