"""What chief and workers run in `test_workers.py`: a search in which nothing is trained."""

import sys
import time
import types
from pathlib import Path

import keras_tuner as kt
import numpy as np

from coursekit.tuning import CrossValidationTuner
from coursekit.tuning import _tuner as tuner


class Tuner(CrossValidationTuner):
    """Without data and models, which the numpy backend could not train."""

    def _claim_folder(self, *args):
        pass


def main(folder: Path) -> None:
    """Search; say what was trained, and at the end what the chief knows."""
    trained = []

    def score(recipes, **data):
        """Stand in for the cross-validation: slow, unless a file says otherwise."""
        outcomes = []
        for build, _ in recipes:
            time.sleep(0 if (folder / "fast").exists() else 1)
            print("trained", len(trained), flush=True)
            trained.append(build())
            scores = {"r2": trained[-1] + np.array([-0.5, 0.5])}
            outcomes.append(types.SimpleNamespace(scores=scores, folds=[0, 1], histories=[{}, {}]))
        return outcomes

    tuner.cross_validate_together = score
    oracle = kt.oracles.RandomSearchOracle(kt.Objective("r2", "max"), max_trials=40, seed=1)
    options = {"trials_at_once": 2, "silence_seconds": 4}
    search = Tuner(lambda hp: hp.Float("weight", 0.0, 1.0), oracle, directory=folder, **options)
    search.search(None, None, verbose=0)
    if oracle is search.oracle:  # the chief's own, and no client
        table = search.table
        done, right = (table.status == "COMPLETED").sum(), np.allclose(table.score, table.weight)
        print(f"finished: {done} COMPLETED of {len(table)}, right: {right}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
