"""The update of the loop in the open (`_loop.py`), on JAX."""

from collections.abc import Callable

from coursekit.training.gradients import loss_and_gradients


def jax_step(model, loss_fn: Callable, optimizer) -> Callable:
    """Return a compiled `step(x, y)` that updates the model and returns the loss before that."""
    import jax

    variables, pure = pure_step(model, loss_fn, optimizer)
    pure = jax.jit(pure)

    def step(x, y):
        loss, state = pure([v.value for v in variables], x, y)
        for variable, value in zip(variables, state, strict=True):
            variable.assign(value)
        return loss

    return step


def pure_step(model, loss_fn: Callable, optimizer) -> tuple[list, Callable]:
    """Return all variables, and a function from their values and a batch to the loss and new ones.

    That function can be compiled, for this machine or another.
    """
    import keras

    if not optimizer.built:
        optimizer.build(model.trainable_variables)
    weights, others = model.trainable_variables, model.non_trainable_variables
    variables = [*weights, *others, *optimizer.variables]
    cuts = len(weights), len(weights) + len(others)

    def pure(state, x, y):
        before, beside, slots = state[: cuts[0]], state[cuts[0] : cuts[1]], state[cuts[1] :]

        def loss_of(*values):
            mapping = list(zip([*weights, *others], [*values, *beside], strict=True))
            with keras.StatelessScope(mapping, collect_losses=True) as scope:
                loss = loss_fn(y, model(x, training=True)) + sum(model.losses)
            with keras.StatelessScope(list(zip(optimizer.variables, slots, strict=True))):
                scaled = optimizer.scale_loss(loss)
            return scaled, (loss, [scope.get_current_value(v) for v in others])

        (loss, beside), found = loss_and_gradients(loss_of)(*before)
        after, slots = optimizer.stateless_apply(slots, list(found), before)
        return loss, [*after, *beside, *slots]

    return variables, pure
