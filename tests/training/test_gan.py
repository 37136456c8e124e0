"""A GAN's one step is the two steps written by hand; what would train something else is refused."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from coursekit.losses import adversarial
from coursekit.training import GAN, fit_many, value_and_gradients

SGD = keras.optimizers.SGD
pytestmark = pytest.mark.any_backend
LOSSES = ["non_saturating", "hinge", "least_squares"]
X = np.random.default_rng(0).normal(1.0, 1.0, (37, 2)).astype("float32")


def networks(seed=0, inside_g=(), inside_d=(), **options):
    keras.utils.set_random_seed(seed)
    g = [keras.Input((3,)), layers.Dense(8, "relu"), *inside_g, layers.Dense(2)]
    d = [keras.Input((2,)), layers.Dense(8, "relu", **options), *inside_d, layers.Dense(1)]
    return keras.Sequential(g), keras.Sequential(d)


def build(*rates, loss="non_saturating", make=SGD, **options):
    gan = GAN(*networks(**options), loss)
    gan.compile(*(make(rate) for rate in rates or (0.1, 0.1)))
    return gan


def mean_losses(gan, fake):
    """Return D's loss and G's, of examples X and these generated ones."""
    of_d = getattr(adversarial, f"{gan.adversarial_loss}_discriminator")
    of_g = getattr(adversarial, f"{gan.adversarial_loss}_generator")
    real, fake = gan.discriminator(X), gan.discriminator(fake)
    return ops.mean(of_d(real, fake)), ops.mean(of_g(fake))


def by_hand(gan):
    """Return the gradients of two separate steps: G's of G's loss, D's of D's, in that order."""
    seeds = [(gan.draws.state, gan.draws.state.value)]
    with keras.StatelessScope(seeds):  # the z that the next step draws, and no seed moves
        z = keras.random.normal((len(X), 3), seed=gan.draws)
    found = []
    for network, number in ((gan.generator, 1), (gan.discriminator, 0)):

        def loss(*weights, network=network, number=number):
            pairs = zip(network.trainable_variables, weights, strict=True)
            with keras.StatelessScope(list(pairs)):
                return mean_losses(gan, gan.generator(z))[number]

        values = [np.asarray(v) for v in network.trainable_variables]
        found += value_and_gradients(loss, values).gradients.values()
    return found


def arrays(variables):
    return [ops.convert_to_numpy(v) for v in variables]


def same(ours, theirs, atol=1e-6):
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, atol=atol)


@pytest.mark.parametrize("loss", LOSSES)
def test_each_network_gets_the_gradient_of_its_own_loss(loss):
    """And nothing of the other's: the hand-written steps know one term each."""
    gan = build(loss=loss)
    wanted = by_hand(gan)
    found = value_and_gradients(gan, X)
    same(list(found.gradients.values()), wanted)
    assert all(np.abs(one).max() > 0 for one in wanted[::2])  # the kernels


def test_a_step_of_fit_is_both_steps_at_their_rates():
    gan = build(0.1, 0.01)
    before, gradients = arrays(gan.trainable_variables), by_hand(gan)
    gan.fit(X, batch_size=len(X), shuffle=False, verbose=0)
    rates = [0.1] * 4 + [0.01] * 4
    moved = zip(before, rates, gradients, strict=True)
    same(arrays(gan.trainable_variables), [w - rate * g for w, rate, g in moved])


def test_the_losses_reported_are_those_of_both():
    gan = build()
    with keras.StatelessScope():
        of_d, of_g = (float(one) for one in mean_losses(gan, gan(X)))
    logs = gan.fit(X, batch_size=len(X), verbose=0).history
    assert set(logs) == {"loss", "discriminator_loss", "generator_loss"}
    assert logs["discriminator_loss"][0] == pytest.approx(of_d, abs=1e-5)
    assert logs["generator_loss"][0] == pytest.approx(of_g, abs=1e-5)
    assert logs["loss"][0] == pytest.approx(of_d + of_g, abs=1e-5)
    evaluated = gan.evaluate(X, verbose=0, return_dict=True)
    assert evaluated["loss"] == pytest.approx(
        evaluated["discriminator_loss"] + evaluated["generator_loss"], abs=1e-5
    )


def test_penalties_count_once():
    """A weight of D, and what a layer of G adds."""
    l2, activity = keras.regularizers.L2(0.1), layers.ActivityRegularization(l2=0.01)
    gan = build(kernel_regularizer=l2, inside_g=[activity])
    with keras.StatelessScope(collect_losses=True) as scope:
        losses = sum(float(one) for one in mean_losses(gan, gan(X)))
    (of_g,) = (float(one) for one in scope.losses)
    of_d = 0.1 * float(np.square(arrays(gan.discriminator.weights)[0]).sum())
    logs = gan.fit(X, batch_size=len(X), verbose=0).history
    assert of_g > 0
    assert logs["loss"][0] == pytest.approx(losses + of_g + of_d, abs=1e-5)


def test_dropout_in_d_and_batch_normalization_in_g():
    """The moving mean moves once a step; the seeds move on."""
    norm, drop = layers.BatchNormalization(momentum=0.5), layers.Dropout(0.5)
    gan = build(inside_g=[norm], inside_d=[drop])
    hidden = gan.generator.layers[0]
    with keras.StatelessScope():
        z = keras.random.normal((len(X), 3), seed=gan.draws)
        mean = ops.convert_to_numpy(ops.mean(hidden(z), axis=0))
    seeds = arrays([drop.seed_generator.state, gan.draws.state])
    gan.fit(X, batch_size=len(X), verbose=0)
    same(arrays([norm.moving_mean]), [0.5 * mean], atol=1e-5)
    after = arrays([drop.seed_generator.state, gan.draws.state])
    assert all(np.any(a != b) for a, b in zip(seeds, after, strict=True))


def test_it_draws_new_noise_in_every_step():
    gan = build()
    first, second = (ops.convert_to_numpy(gan(X)) for _ in range(2))
    assert first.shape == X.shape and np.abs(first - second).max() > 0.01


@pytest.mark.slow
@pytest.mark.parametrize("make", [SGD, keras.optimizers.Adam])
def test_fit_many_equals_fit(make):
    """Of models that differ in rates, loss and start, each on rows of its own."""
    rows = [np.arange(30), np.arange(5, 37), np.arange(37)]
    settings = [{"loss": loss, "seed": seed} for seed, loss in enumerate(LOSSES)]
    many = [build(0.01, 0.02, make=make, **setting) for setting in settings]
    histories = fit_many(many, X, rows=rows, epochs=2, batch_size=8, shuffle=False, verbose=0)
    for model, chosen, setting, history in zip(many, rows, settings, histories, strict=True):
        alone = build(0.01, 0.02, make=make, **setting)
        seen = alone.fit(X[chosen], epochs=2, batch_size=8, shuffle=False, verbose=0).history
        same(arrays(model.variables), arrays(alone.variables))
        same(arrays(model.optimizer.variables), arrays(alone.optimizer.variables))
        same([history.history[k] for k in sorted(seen)], [seen[k] for k in sorted(seen)], 1e-5)


@pytest.mark.slow
def test_on_jax_models_of_one_architecture_share_a_program(capsys):
    """Rates, starts and seeds are state; another loss, width or optimizer is another program."""
    kinds = [{}, {"seed": 1}, {"loss": "hinge"}, {"kernel_regularizer": "l2"}]
    many = [build(0.1, 0.1), *(build(0.1, 0.02, **kind) for kind in kinds)]
    many.append(build(make=keras.optimizers.Adam))
    fit_many(many, X, batch_size=8, shuffle=False, verbose=1)
    told = "3 by a shared program, 3" if keras.backend.backend() == "jax" else "6"
    assert f"{told} by their own programs" in capsys.readouterr().out
    for model, kind in zip(many[1:-1], kinds, strict=True):
        alone = build(0.1, 0.02, **kind)
        alone.fit(X, batch_size=8, shuffle=False, verbose=0)
        same(arrays(model.variables), arrays(alone.variables))


@pytest.mark.slow
def test_several_steps_at_a_time_are_the_same_steps():
    one, several = build(), build()
    several.compile(SGD(0.1), SGD(0.1), steps_per_execution=2)
    for gan in (one, several):
        gan.fit(X[:32], batch_size=8, shuffle=False, verbose=0)
    same(arrays(one.variables), arrays(several.variables))


@pytest.mark.slow
def test_a_saved_model_trains_on_as_before(tmp_path):
    gan = build(1e-2, 1e-3, make=keras.optimizers.Adam, loss="hinge")
    gan.fit(X, verbose=0)
    gan.save(tmp_path / "gan.keras")
    loaded = keras.models.load_model(tmp_path / "gan.keras")
    assert loaded.adversarial_loss == "hinge"
    same(arrays(loaded.weights), arrays(gan.weights), 0)
    same(arrays(loaded.optimizer.variables), arrays(gan.optimizer.variables), 0)
    assert float(loaded.optimizer.discriminator.learning_rate) == pytest.approx(1e-3)
    loaded.draws.state.assign(arrays([gan.draws.state])[0])  # Keras saves no seeds
    for model in (gan, loaded):
        model.fit(X, shuffle=False, verbose=0)
    same(arrays(loaded.weights), arrays(gan.weights))


def test_config_and_what_was_not_compiled(tmp_path):
    gan = GAN(*networks(), "least_squares", name="ring")
    again = GAN.from_config(gan.get_config())
    assert (again.name, again.adversarial_loss) == ("ring", "least_squares")
    assert [v.shape for v in again.weights] == [v.shape for v in gan.weights]
    gan.save(tmp_path / "gan.keras")
    assert not keras.models.load_model(tmp_path / "gan.keras").compiled


@pytest.mark.slow
def test_averages_of_weights_are_put_in_their_place():
    passed = []  # the weights of G after each of two steps
    for epochs in (1, 2):
        gan = build()
        gan.fit(X, batch_size=len(X), epochs=epochs, shuffle=False, verbose=0)
        passed.append(arrays(gan.generator.weights))
    gan = GAN(*networks())
    gan.compile(SGD(0.1, use_ema=True, ema_momentum=0.5), SGD(0.1))
    gan.fit(X, batch_size=len(X), epochs=2, shuffle=False, verbose=0)
    wanted = [0.5 * (first + second) for first, second in zip(*passed, strict=True)]
    same(arrays(gan.generator.weights), wanted)


def test_a_frozen_layer_of_g_stays():
    gan = GAN(*networks())
    gan.generator.layers[0].trainable = False
    gan.compile("sgd", "sgd")
    before = arrays(gan.generator.weights)
    gan.fit(X, verbose=0)
    after = arrays(gan.generator.weights)
    same(after[:2], before[:2], 0)
    assert np.abs(after[2] - before[2]).max() > 0


def test_maps_of_logits_are_averaged():
    """As PatchGAN has them, on pictures of any size."""
    keras.utils.set_random_seed(0)
    conv = layers.Conv2D
    g = keras.Sequential([keras.Input((4, 4, 2)), conv(1, 3, padding="same")])
    d = keras.Sequential([keras.Input((None, None, 1)), conv(4, 3, activation="relu"), conv(1, 1)])
    gan = GAN(g, d)
    gan.compile("sgd", "sgd")
    logs = gan.fit(np.ones((6, 4, 4, 1), "float32"), verbose=0).history
    assert np.isfinite(logs["loss"]).all()


def frozen():
    g, d = networks()
    d.layers[0].trainable = False
    return g, d


def shared():
    _, d = networks()
    return keras.Sequential([keras.Input((3,)), layers.Dense(2), d.layers[0], layers.Dense(2)]), d


def other(g=None, d=None):
    ours = networks()
    return g or ours[0], d or ours[1]


def dense(size, *units, **options):
    return keras.Sequential([keras.Input((size,)), *(layers.Dense(u, **options) for u in units)])


class Subclass(keras.Model):
    def call(self, x):
        return x


def half():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        return networks()
    finally:
        keras.config.set_dtype_policy(policy)


REFUSED = {
    "no model": (lambda: other(d=max), "`discriminator` must be a Keras model"),
    "not built": (lambda: other(g=keras.Sequential([layers.Dense(2)])), "Begin it with a"),
    "no shapes": (lambda: other(g=Subclass()), "`generator` must be"),
    "other size": (lambda: other(g=dense(3, 5)), r"Received: output_shape=\(None, 5\), input_sh"),
    "open input": (lambda: other(keras.Sequential([keras.Input((None, 3)), layers.Dense(2)])),
                   "The generator's input must have a known shape"),
    "two classes": (lambda: other(d=dense(2, 2)), "must end in one logit"),
    "sigmoid": (lambda: other(d=dense(2, 1, activation="sigmoid")), "activation='sigmoid'"),
    "activation": (lambda: other(d=keras.Sequential(
        [keras.Input((2,)), layers.Dense(1), layers.Activation("sigmoid")])), "Leave the activ"),
    "batch norm": (lambda: networks(inside_d=[layers.BatchNormalization(name="bn")]),
                   "Every weight of the discriminator .* Received: layer='bn'"),
    "spectral": (lambda: other(d=keras.Sequential(
        [keras.Input((2,)), layers.SpectralNormalization(layers.Dense(1))])), "Every weight"),
    "frozen": (frozen, "thaw what is frozen"),
    "shared": (shared, "The networks must not share a layer"),
    "activity": (lambda: networks(activity_regularizer="l2"), "Received: losses=1"),
    "float16": (half, "Use mixed_bfloat16"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_networks_that_would_train_something_else_are_refused(case):
    make, words = REFUSED[case]
    with pytest.raises((ValueError, TypeError), match=words):
        GAN(*make())


def test_another_loss_is_refused():
    with pytest.raises(ValueError, match="Did you mean 'hinge'"):
        GAN(*networks(), "hinges")


COMPILED = {
    "one for both": (lambda: [SGD()] * 2, "an optimizer of its own"),
    "no optimizer": (lambda: ["sgd", None], "`discriminator_optimizer` must be a Keras optimizer"),
    "no name": (lambda: ["sgdd", "sgd"], "generator_optimizer='sgdd'"),
    "scaled": (lambda: [keras.optimizers.LossScaleOptimizer(SGD()), "sgd"], "must be a plain"),
    "factor": (lambda: ["sgd", SGD(loss_scale_factor=8.0)], "loss_scale_factor=8.0"),
}


@pytest.mark.parametrize("case", COMPILED)
def test_optimizers_that_would_mislead_are_refused(case):
    make, words = COMPILED[case]
    with pytest.raises(ValueError, match=words):
        GAN(*networks()).compile(*make())


def test_a_network_without_anything_to_train_is_refused():
    gan = GAN(*networks())
    gan.generator.trainable = False
    with pytest.raises(ValueError, match="Both networks must have trainable weights"):
        gan.compile("sgd", "sgd")


def test_data_that_would_be_ignored_or_misread_are_refused():
    gan = build()
    before = arrays(gan.variables)
    wide = np.ones((8, 3), "float32")
    for words, data in {
        "without `y`": {"x": X, "y": X},
        "without `sample_weight`": {"x": X, "sample_weight": np.ones(len(X))},
        "without `class_weight`": {"x": X, "class_weight": {0: 2.0}},
        r"examples=\(8, 3\), generated=\(None, 2\)": {"x": wide},
    }.items():
        with pytest.raises(ValueError, match=words):
            gan.fit(**data, verbose=0)
    with pytest.raises(ValueError, match="without `y`"):
        gan.evaluate(X, X, verbose=0)
    with pytest.raises(AttributeError, match=r"generator\.learning_rate"):
        _ = gan.optimizer.learning_rate
    same(arrays(gan.variables), before, 0)
    with pytest.warns(UserWarning, match="by `fit`"), pytest.raises(ValueError, match="weight`"):
        fit_many([gan], X, sample_weight=np.ones(len(X)), verbose=0)
