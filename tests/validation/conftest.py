"""Fixtures of the tests of cross-validation."""

import pytest

from coursekit.validation import _run as validation_run


@pytest.fixture
def untrained(monkeypatch):
    """Models stay as they were built: for tests of everything around the training."""

    def fit_all(models, *args, **kwargs):
        return [{"loss": [1.0], "val_loss": [2.0]} for _ in models]

    monkeypatch.setattr(validation_run, "fit_all", fit_all)
