"""Which callbacks run in the same training, and in what order."""

import inspect

import keras


def callbacks_beside(callback: keras.callbacks.Callback) -> tuple[list, list]:
    """Return the callbacks before and behind this one; call it from `on_train_begin`.

    Keras tells a callback its model and settings, not its neighbours. The `CallbackList` that is
    just calling it knows them: it is looked up among the callers. Where there is none, such as in
    a loop of one's own, no neighbours are known.
    """
    frame = inspect.currentframe()
    try:
        while frame is not None:
            caller = frame.f_locals.get("self")
            if isinstance(caller, keras.callbacks.CallbackList):
                others = caller.callbacks
                place = next((k for k, one in enumerate(others) if one is callback), None)
                if place is not None:
                    return others[:place], others[place + 1 :]
            frame = frame.f_back
        return [], []
    finally:
        del frame  # a frame that holds itself is freed late
