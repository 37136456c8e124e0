# ---
# jupyter:
#   coursekit:
#     backends:
#     - tensorflow
#     - jax
#     minutes: 10
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Can you beat gradient descent?
#
# You guess a line, watch gradient descent look for the same one, and train a network in seconds. On
# the way you meet the checks, hints and predictions of all lessons. You need a little Python.
#
# Run the cells from top to bottom with Shift+Enter. Dots, `...`, stand where you write something.
# Nothing you write can break the course.

# %% tags=["setup"]
from coursekit import lessons

lessons.report(["tensorflow", "jax"])

import keras
import numpy as np

from coursekit import datasets, plots
from coursekit.lessons.start_here import check, pairs

# %% [markdown]
# ## Thirty penguins
#
# How heavy is a penguin, judged by its flipper? Our model is a line, $\hat y = wx + b$. The slope
# $w$ says how many kg each further cm of flipper adds. The intercept $b$ is the mass at $x = 0$,
# which is a flipper of 20 cm here. An error is the model's answer $\hat y$ less the true mass $y$.
# The **loss** says how wrong a line is: the mean of the squared errors of the thirty birds. Lower
# is better.

# %%
birds = datasets.load_penguins().table.dropna().sample(30, random_state=0)
x = birds.flipper_length_mm.to_numpy() / 10 - 20  # cm more than 20
y = birds.body_mass_g.to_numpy() / 1000  # kg


def loss(w, b):
    return np.mean((w * x + b - y) ** 2)


# %% jupyter={"source_hidden": true}
# Safe to skip: this draws the penguins, your lines, and later the loss of every line.
guesses = []


def draw(guesses):
    lines = pairs(guesses)
    fig, ax = plots.figure(
        "The longer the flipper, the heavier", "flipper, cm more than 20", "mass, kg"
    )
    ax.plot(x, y, "o", color="0.4")
    ends = np.array([-3.5, 3.5])
    for number, (w, b) in enumerate(lines, 1):
        last = number == len(lines)
        label = f"guess {number}: loss {loss(w, b):,.2f}" if last else ""
        look = {"color": "#0072b2", "lw": 2.5} if last else {"color": "0.6", "lw": 1, "ls": "--"}
        ax.plot(ends, np.clip(w * ends + b, -99, 99), label=label or None, **look)
    if len(lines):
        ax.legend(loc="upper left")
    ax.set(xlim=ends, ylim=(-0.3, 7.5))
    losses = ", ".join(f"{loss(w, b):,.2f}" for w, b in lines)
    told = f"The loss of your guesses, in their order: {losses}." if len(lines) else "No line yet."
    plots.show(fig, alt=f"Thirty penguins: their mass rises with their flipper length. {told}")


def draw_descent(path, losses, guesses):
    w, b = np.meshgrid(np.linspace(-1.5, 2.5, 120), np.linspace(-0.8, 6.5, 120))
    height = np.mean((w[..., None] * x + b[..., None] - y) ** 2, axis=-1)
    levels, last = [0.2, 0.5, 1, 2, 4, 8, 16, 32], len(losses) - 1
    lines = np.clip(pairs(guesses), (-1.5, -0.8), (2.5, 6.5))

    def picture(step):
        fig, (left, right) = plots.figure("The loss of every line, and one way down", columns=2)
        rings = left.contour(w, b, height, levels, colors="0.6", linewidths=0.9)
        left.clabel(rings, fontsize=7)
        way, style = path[: step + 1], plots.COMPARE[0]
        plots.curve(left, way[:, 1], style, x=way[:, 0], label="each step", markevery=1)
        for number, place in enumerate(lines, 1):
            left.plot(*place, "x", color="#d55e00", ms=7, mew=2, clip_on=False,
                      label="your guesses" if number == 1 else None)  # fmt: skip
            left.annotate(f"{number}", place, xytext=(5, 3), textcoords="offset points")
        left.set(xlabel="slope", ylabel="intercept, kg", xlim=(-1.5, 2.5), ylim=(-0.8, 6.5))
        left.legend(loc="upper right")
        right.plot(range(last + 1), losses, color="0.75")
        done = range(step + 1)
        plots.curve(right, losses[: step + 1], style, x=done, label="each step", markevery=1)
        right.axhline(0.2, color="0.4", ls=":", label="0.2")
        right.set(xlabel="step", ylabel="loss (logarithmic scale)", yscale="log")
        right.legend()
        return fig

    def caption(step):
        seen = "The crosses are your guesses; one from outside stands at the edge. "
        return (
            "Left: rings of equal loss over slope and intercept, and the path of gradient descent "
            f"from (0, 0). {seen * (len(lines) > 0)}Right: the loss at each step. After step "
            f"{step}: slope {path[step, 0]:.2f}, intercept {path[step, 1]:.2f}, "
            f"loss {losses[step]:.2f}."
        )

    steps = sorted({s for s in (0, 1, 2, 3, 4, 5, 10, 15, 20, 30) if s < last} | {last})
    plots.explore(picture, steps, caption, "step", start=len(steps) - 1)
    goals = {"0.20": 0.2}
    if len(lines):
        best = min(loss(w, b) for w, b in pairs(guesses))
        goals[f"your best guess, {best:.2f}"] = best
    for name, goal in goals.items():
        first = next((step for step, value in enumerate(losses) if value < goal), "not reached")
        print(f"first step with a loss below {name}: {first}")


draw(guesses)

# %% [markdown]
# ### Five guesses (difficulty 1, 3 minutes)
#
# Find a line with a loss below 0.2, in about five guesses. Put the first one, `(slope, intercept)`,
# in place of the dots and run the cell: a **check** answers. Then add a line for the next guess,
# and run it again.
#
# The cell after that gives a **hint**, and another one each time you run it. After a try you may
# write `check.solution("guess")` there: it shows our answer, why, and another way.

# %% exercise="guess"
### BEGIN SOLUTION
guesses = [
    (0, 4),  # flat, at the height of the middle
    (1, 4),  # too steep now
    (0.5, 4),  # half way between
    (0.5, 4.2),  # a little higher
]
### STUB
# guesses = [
#     ...,  # a guess looks like this: (2, 3),
# ]
### END SOLUTION

draw(guesses)
check("guess", guesses, x, y)

# %%
check.hint("guess")

# %% [markdown]
# ## Your opponent
#
# Gradient descent begins with the flat line at 0 kg. It sees no picture. It computes the
# **gradient**: how fast the loss grows with the slope, and how fast with the intercept, at the place
# where it stands. Then it moves both numbers a little the other way, downhill: by `rate` times the
# gradient. And again.
#
# A **prediction** is no test: you choose before you run, then compare. With a rate of 0.1, after how
# many steps is the loss below 0.2? (a) Fewer than 5. (b) Between 10 and 20. (c) More than 100.

# %%
check("predict_steps", "b")  # SOLUTION


# %%
def descend(rate, steps, w=0.0, b=0.0):
    path, losses = [(w, b)], [loss(w, b)]
    for _ in range(steps):
        error = w * x + b - y
        gradient_w, gradient_b = 2 * np.mean(error * x), 2 * np.mean(error)  # by calculus
        w, b = w - rate * gradient_w, b - rate * gradient_b
        path.append((w, b))
        losses.append(loss(w, b))
    return np.array(path), np.array(losses)


path, losses = descend(rate=0.1, steps=40)
draw_descent(path, losses, guesses)
print(f"after step 40: slope {path[-1, 0]:.2f}, intercept {path[-1, 1]:.2f}, loss {losses[-1]:.2f}")
print(f"the lowest loss that any line can have: {loss(*np.polyfit(x, y, 1)):.2f}")
check.reveal("predict_steps")

# %% [markdown]
# <details><summary>After you ran it</summary>
#
# It needs more steps than you had guesses: you saw thirty points at once. Gradient descent knew one
# thing, which way is downhill from where it stands. The rings are a map of the loss, a valley; we
# drew them for you, and it never saw them. Downhill is not straight towards the goal, so the path
# bends. Yet it ends at the lowest loss there is, which you can match and not beat.
#
# With two numbers, eyes are enough. The next model has so many that nobody can draw its rings.
#
# </details>
#
# ### Five steps (difficulty 1, 2 minutes)
#
# Now help your opponent. Choose a rate so that its loss falls below 0.2 within five steps from the
# same start. To see its way with 0.2, run `draw_descent(*descend(0.2, steps=5), guesses)` in a new
# cell (the + button makes one). Look at 0.5, too: there the loss climbs again.

# %% exercise="rate"
rate = 0.3  # SOLUTION

check("rate", rate, x, y)

# %% [markdown]
# ## Ten garments
#
# A network takes a picture of 784 pixels and gives ten scores, one for each kind of garment, or
# **class**. The highest score is its answer. At the start its numbers are random.
#
# Of 2,000 garments, how many will it name correctly before any training?
# (a) None: it has learned nothing. (b) About 200. (c) About 1,000.

# %%
check("predict_untrained", "b")  # SOLUTION

# %%
garments = datasets.load_fashion_mnist()
names, unseen = garments.class_names, garments.validation
ten = [np.flatnonzero(unseen.y == c)[0] for c in range(10)]  # one of each class


def accuracy(model, x, y):
    return np.mean(model.predict(x, verbose=0).argmax(axis=1) == y)


def show_ten(model, title):
    answers = model.predict(unseen.x[ten], verbose=0).argmax(axis=1)
    right = answers == np.arange(10)
    words = [f"{'✓' if ok else '✗'} {names[a]}" for a, ok in zip(answers, right, strict=True)]
    told = f"Ten garments, and what the model calls them: {', '.join(words)}."
    plots.show(plots.images(unseen.x[ten], words, title), alt=f"{told} Right: {right.sum()} of 10.")


fresh = [lessons.running_model(seed) for seed in range(5)]
show_ten(fresh[0], "Ten garments, and what the fresh model says")
scores = [accuracy(model, unseen.x, unseen.y) for model in fresh]
print(f"numbers to learn: {fresh[0].count_params():,}")
print(f"share right of {len(unseen.y):,} garments, from five random starts:")
print(*[f"{score:.2f}" for score in scores], f" mean: {np.mean(scores):.2f}")
check.reveal("predict_untrained")

# %% [markdown]
# <details><summary>After you ran it</summary>
#
# A random model guesses, and may well give the same answer every time. With ten classes, about
# equally frequent, that is right about once in ten. One start is luckier than another; their mean
# lies near 0.10. That is **chance**, the number to beat.
#
# </details>
#
# ## Some seconds of training
#
# Now we train it by gradient descent on 8,000 other garments. `compile` says how, and `fit` does
# it: a step for each 64 garments (`batch_size`), and twelve times through all of them (`epochs`).
# The share of right answers is called **accuracy**.

# %%
model = lessons.running_model()
cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)  # a loss for classes
model.compile(keras.optimizers.SGD(0.1), cross_entropy)  # gradient descent with a rate of 0.1
model.fit(garments.train.x, garments.train.y, batch_size=64, epochs=12, verbose=0)

show_ten(model, "The same garments, after training")
print(f"trained on {len(garments.train.y):,} garments")
print(f"accuracy on {len(unseen.y):,} others: {accuracy(model, unseen.x, unseen.y):.2f}")
shirts, trousers = (np.flatnonzero(unseen.y == c) for c in (6, 1))
shop = [*shirts[:180], *trousers[:20]]
shop_accuracy = accuracy(model, unseen.x[shop], unseen.y[shop])
print(f"accuracy in a shop with 180 shirts and 20 trousers: {shop_accuracy:.2f}")

# %% [markdown]
# Most of the ten are right now, and so are most of the 2,000 that it has never seen: far above
# chance. It is the course's **running model**, and comes back in most lessons. The last line is
# about a shop that sells little but shirts.
#
# ### The lazy seller (difficulty 1, 2 minutes)
#
# A seller in that shop calls everything a shirt, without looking. Which accuracy is that, from 0 to
# 1? And does the model beat it: `True` or `False`?

# %% exercise="baseline"
always_shirt = 180 / 200  # SOLUTION
model_wins = False  # SOLUTION

check("baseline", always_shirt, model_wins, shop_accuracy)

# %% [markdown]
# ## What you can say now
#
# 1. A loss says how wrong a model is, in one number. Training makes it smaller.
# 2. Gradient descent knows which way is downhill from where it stands, and nothing else.
# 3. The rate decides: too small is slow, too large jumps across the valley.
# 4. An untrained model names about one in ten, if ten classes are equally frequent (*balanced*).
# 5. An accuracy means little without the score of a lazy answer.
#
# Each lesson ends as this one does: a **quiz**, **cards** to come back to, and a summary of your
# progress. That is kept on this computer and sent nowhere.
#
# [[next]]

# %%
check.quiz()

# %%
check("quiz_1", "b")  # SOLUTION
check("quiz_2", "a")  # SOLUTION
check("quiz_3", "c")  # SOLUTION

# %%
check.cards()

# %%
check.summary()
