"""Answers that Keras and TensorFlow run: exceptions stay the learner's, and endless fits end."""

import numpy as np
import pytest

from coursekit.exercises import expect, learner_code

pytestmark = pytest.mark.any_backend


def doubles(answer):
    """A check: does `answer` double a number?"""
    expect.close(expect.number(answer(3.0)), 6.0)


@pytest.fixture
def train():
    """Return a check that makes a model of the learner's class and trains it."""

    def check(eager, steps=1):
        def check(answer):
            model = answer() if isinstance(answer, type) else answer
            model.compile("sgd", "mse", run_eagerly=eager)
            model.fit(np.ones((4, 2)), np.ones((4, 1)), epochs=steps, verbose=0)

        return check

    return check


MODEL = """
    import keras

    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(1)
        def call(self, x):
            return self.dense(x)
        def train_step(self, *args):
            print("trains")
            return {"loss": nothing}
    answer = Model
"""
NO_LAYER = """
    import keras

    class Model(keras.Model):
        def call(self, x):
            return self.layer(x)
    answer = Model
"""


@pytest.mark.parametrize("eager", [True, False], ids=["eager", "compiled"])
def test_a_train_step_that_raises(run, cell, train, eager):
    model = cell(MODEL)
    for answer in (model, model()):
        outcome = run(train(eager), answer)
        assert outcome.status == "raised"
        assert outcome.message == (
            "NameError: name 'nothing' is not defined\n"
            'Line 11 of your cell: `return {"loss": nothing}`'
        )
        assert outcome.printed == "trains"


@pytest.mark.parametrize("eager", [True, False], ids=["eager", "compiled"])
def test_a_call_that_raises(run, cell, train, eager):
    outcome = run(train(eager), cell(NO_LAYER))
    assert outcome.status == "raised"
    assert "`return self.layer(x)`" in outcome.message
    assert "\x1b" not in outcome.message


def test_a_loss_of_the_learners_in_fit(run, cell):
    import keras

    def check(answer):
        model = keras.Sequential([keras.layers.Dense(1)])
        model.compile("sgd", answer)
        model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0)

    good = "def answer(y_true, y_pred):\n    return (y_true - y_pred) ** 2\n"
    assert run(check, cell(good)).status == "correct"
    outcome = run(check, cell(good.replace("** 2", "** two")))
    assert outcome.status == "raised"
    assert "Line 2 of your cell" in outcome.message


@pytest.mark.slow
def test_an_endless_fit_ends(run):
    import keras

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0)

    def check(answer):
        answer.fit(np.ones((4, 2)), np.ones((4, 1)), epochs=10**9, verbose=0)

    assert run(check, model, seconds=0.3).key == "too_slow"
    model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0)


def test_progress_bars_and_summaries_are_readable(run):
    import keras

    def check(answer):
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=1)
        model.summary()

    outcome = run(check, 1)
    assert outcome.status == "correct"
    assert "loss: " in outcome.printed
    assert not set("\x1b\x08\r") & set(outcome.printed)


# TensorFlow, which makes errors of its own of the learner's.


@pytest.fixture
def tf():
    import keras

    if keras.backend.backend() != "tensorflow":
        pytest.skip("of TensorFlow only: tf.function and tf.data")
    import tensorflow

    return tensorflow


def test_tf_function_as_an_answer(run, cell, tf):
    source = """
        import tensorflow as tf

        @tf.function
        def answer(x):
            return x * 2 if x > two else x * 2
    """
    assert run(doubles, cell(source, two=tf.constant(2.0))).status == "correct"
    outcome = run(doubles, cell(source))
    assert outcome.status == "raised"
    assert outcome.message.startswith("NameError")
    assert "name 'two' is not defined" in outcome.message


@pytest.mark.slow
def test_a_check_that_compiles_the_answer(run, cell, tf):
    def compiled(answer):
        with learner_code():
            got = tf.function(answer)(tf.constant(3.0))
        expect.close(expect.number(got), 6.0)

    def called(answer):
        @tf.function
        def step(x):
            return answer(x)

        expect.close(expect.number(step(tf.constant(3.0))), 6.0)

    def mapped(answer):
        with learner_code():
            (got,) = tf.data.Dataset.from_tensors(3.0).map(answer)
        expect.close(expect.number(got), 6.0)

    for check, wrong_arguments in (
        (compiled, "raised"),  # TensorFlow looks at them before it calls
        (called, "signature"),
        (mapped, "signature"),
    ):
        good = cell("def answer(x):\n    return x * 2\n")
        assert run(check, good).status == "correct"
        outcome = run(check, cell("def answer(x):\n    return x * two\n"))
        assert outcome.status == "raised"
        assert outcome.message.startswith("NameError: name 'two' is not defined")
        assert run(check, cell("def answer(x, y):\n    return x\n")).key == wrong_arguments
        assert run(check, cell("def answer(x):\n    return ...\n")).status == "todo"


def test_a_generator_inside_a_dataset(run, cell, tf):
    def check(answer):
        list(tf.data.Dataset.from_generator(answer, output_signature=tf.TensorSpec(())))

    outcome = run(check, cell("def answer():\n    yield 1.0\n    raise ValueError('stop')\n"))
    assert outcome.status == "raised"
    assert outcome.message.splitlines()[0] == "ValueError: stop"
