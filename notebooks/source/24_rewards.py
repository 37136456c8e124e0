# ---
# jupyter:
#   coursekit:
#     backends:
#     - tensorflow
#     - jax
#     minutes: 45
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
# # What can be learned from rewards?
#
# Skip ahead if you can answer these: why must an agent act against what it knows? What may
# be subtracted from a reward? What does DPO leave out?
#
# You will write a step of Q-learning, a policy gradient and the loss of a preference, and count
# failures. You need [[training_loop]] and [[backpropagation]].

# %% tags=["setup"]
from coursekit import lessons

lessons.report(["tensorflow", "jax"])

import keras
import numpy as np
from keras import layers, ops

from coursekit import datasets
from coursekit.lessons.rewards import carts, check, grid, parts
from coursekit.training import fit_many

# %% [markdown] topics="reinforcement-learning"
# ## No labels, only pay
#
# A label says what would have been right. A **reward** is a number: how well it went. An **agent**
# in a **state** chooses an **action**; its **environment** answers with a reward and the next state;
# after the last step the **episode** ends. How it chooses is its **policy**. To learn from that is
# **reinforcement learning**.
#
# Here is a world of 25 places. One move in ten slips in a random direction. A goal pays 1, a coin 0.2
# and a pit -1; each ends the episode. What comes later counts less: a reward in $k$ steps is worth
# $\gamma^k$ of itself, here $\gamma=0.9$. The **return** of a step is its reward and all that follow,
# so discounted.
#
# ### What a step is worth (difficulty 2, 7 minutes)
#
# `rewards[t]` is what step t paid, and counts in full for it. Return a list: each step's return.


# %% exercise="returns"
def returns(rewards, gamma):
    """Return the discounted return of each step."""
    ### BEGIN SOLUTION
    found, later = [], 0.0
    for reward in reversed(rewards):
        later = reward + gamma * later
        found.append(later)
    return found[::-1]
    ### STUB
    # return [...]
    ### END SOLUTION


check("returns", returns)

# %% [markdown]
# ## What a place is worth
#
# The **value** $V(s)$ of a place is the return that the best moves bring from there, on average. Who
# knows the rules computes it by **value iteration**: start with zeros, let each place look one
# move ahead, again and again. With $s'$ for the next place:
#
# $$V(s)\leftarrow\max_a\text{mean of }(r+\gamma V(s'))$$

# %%
parts.values()

# %% [markdown] topics="rl-value-estimation"
# Move the slider: value spreads from where something is paid, one move a sweep. (Arrows: the best
# moves by these values.) At first the start knows of the coin only.
#
# Who does not know the rules must try. **Q-learning** keeps a number $Q(s,a)$ for each move in each
# place. After a move, the reward and the next place's best $Q$ make a **target**,
# $r+\gamma\max_{a'}Q(s',a')$, and $Q$ goes the share $\alpha$ of its way there. Nothing follows
# the end of an episode.
#
# ### One step of Q-learning (difficulty 2, 6 minutes)
#
# Return the new value of `q`. `best_next` is the largest $Q$ of the next place; `ended` is True or False.


# %% exercise="q_update"
def q_update(q, reward, best_next, ended, alpha, gamma):
    """Return q after one step of Q-learning."""
    ### BEGIN SOLUTION
    target = reward if ended else reward + gamma * best_next
    return q + alpha * (target - q)
    ### STUB
    # return ...
    ### END SOLUTION


check("q_update", q_update)

# %% [markdown]
# ## Know or try?
#
# Ten agents learn for 12,000 moves. A share $\varepsilon$ of these is random; else they take the best
# that they know, ties drawn by lot. With $\varepsilon=0$, what do most of them find? (a) The coin, and
# stay with it. (b) The goal: it pays more. (c) Nothing: they never move about.

# %%
check("predict_random", "a")  # SOLUTION

# %%
epsilons = [0, 0.1, 0.3, 0.6, 1]
earned, worth = grid.learn(epsilons, seeds=range(10))
for epsilon, a, b in zip(epsilons, earned, worth, strict=True):
    found = np.sum(b > 0.5)
    print(f"epsilon {epsilon:3}: earns {a.mean():5.2f} an episode; {found:2} of 10 know the way")
parts.exploration(epsilons, earned, worth)
check.reveal("predict_random")

# %% [markdown]
# <details><summary>After you ran it</summary>
#
# Who knows the way has moves worth over 0.5. To **exploit** what one knows pays now, to **explore** may
# pay later. Without random moves nobody knows the way. With random moves alone nearly all
# do, since `max` asks for the best next move, not the one taken; but nothing is earned. A share in
# between earns most.
#
# </details>
#
# ## Change the policy itself
#
# Now a pole on a cart, pushed left or right. Each step upright pays 1; after 200 steps it is
# over. A state is four numbers, so no table will do. Let a net be the policy: a score for each
# action, softmax makes probabilities $p$, and the action is drawn. A **policy gradient** makes
# more probable what paid:
#
# $$\text{the direction: the mean of }G\,\nabla\log p(\text{action}),$$
#
# with the return $G$ of the step ($\gamma=0.99$). That is a classification: the action taken is the label,
# and $G$ is the row's weight. So Keras can train it as it is.

# %% tags=["nbval-ignore-output"]
keras.utils.set_random_seed(0)
near_zero = keras.initializers.RandomNormal(stddev=0.01)  # about 50 : 50 at first
net = [keras.Input((4,)), layers.Dense(16, "tanh"), layers.Dense(2, kernel_initializer=near_zero)]
policy = keras.Sequential(net)
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
policy.compile(keras.optimizers.Adam(0.01), loss)
rng, lengths = np.random.default_rng(0), []
for update in range(60):
    states, actions, G, length = carts.episodes(policy.get_weights(), rng)  # of four carts
    policy.train_on_batch(*carts.filled(states, actions, G))  # filled up: one shape, one compile
    lengths.append(length)
first, last = np.mean(lengths[:5]), np.mean(lengths[-10:])
print(f"steps until it falls: {first:.0f} at first, {last:.0f} in the end")

# %% [markdown] topics="rl-policy-optimization"
# This is **REINFORCE** (Williams, 1992). Each batch serves one step: then the policy has changed, and
# so has what it sees.
#
# ### The direction of a reward (difficulty 3, 8 minutes)
#
# Write it for one action: the gradient by the scores, uphill, of
# `(reward - baseline) * log p[action]`, where `p` is the softmax of `scores`, a row of numbers, and
# `baseline` a number (soon: what for).


# %% exercise="policy_gradient"
def policy_gradient(scores, action, reward, baseline):
    """Return the direction in which to change each score."""
    p = np.exp(scores - scores.max())
    p = p / p.sum()
    ### BEGIN SOLUTION
    push = -p
    push[action] += 1
    return (reward - baseline) * push
    ### STUB
    # return ...
    ### END SOLUTION


check("policy_gradient", policy_gradient)

# %% [markdown] topics="actor-critic"
# ## Better than usual
#
# Every $G$ is positive, so whatever was done is made more probable. Subtract their mean, a
# **baseline** $b$: many steps now count negative.
#
# A better baseline knows the state: an **actor-critic** trains a second net, the **critic**, to say $V(s)$.
# Then $r+\gamma V(s')-V(s)$, the surprise, takes the place of $G-b$, and no episode need be
# over: it learns at every step.

# %% [markdown]
# What does the mean change? (a) The direction stays on average, and its noise shrinks. (b) Nothing at
# all, since constants cancel. (c) Often the opposite is learned.

# %%
check("predict_baseline", "a")  # SOLUTION

# %% tags=["nbval-ignore-output"]
tried = carts.directions(400, baseline=False), carts.directions(400, baseline=True)  # 400 batches
means = [each.mean(axis=0) for each in tried]
cosine = np.dot(*means) / np.prod([np.linalg.norm(mean) for mean in means])
noise = [np.sqrt(each.var(axis=0).sum()) for each in tried]
print(f"cosine of the means {cosine:.3f}; noise {noise[0]:.2f}, with a baseline {noise[1]:.2f}")

# All seeds at once, in NumPy, with the gradient that you wrote; its steps are those of Keras.
forty = carts.actor_critic(range(40))
runs = {
    "return": carts.reinforce(range(5), baseline=False),
    "return - mean": carts.reinforce(range(5), baseline=True),
    "actor-critic": forty[:5],
}
for name in ("return", "return - mean"):
    print(f"{name:13} half-way", *runs[name][:, 25:35].mean(axis=1).round().astype(int))
parts.courses(runs)
check.reveal("predict_baseline")

# %% [markdown]
# <details><summary>After you ran it</summary>
#
# Of 400 directions of a new policy the mean stays (a cosine of 1 is the same), and the noise
# shrinks. The runs are ahead half-way, and closer together.
#
# </details>
#
# ### A quiet baseline (difficulty 2, 6 minutes)
#
# Two moves, each with $p=1/2$, pay 10 and 11. The direction has an entry for each score: a push. What is
# the `average` push on the *first*, without baseline? Which baseline, `best`, makes it equal for both moves? Which of these
# are `harmless`: the average stays? A the number 100, B the mean reward of other episodes, C a critic's
# $V(s)$, D the mean reward of the very move taken.

# %% exercise="quiet"
average = -0.25  # SOLUTION
best = 10.5  # SOLUTION
harmless = "ABC"  # SOLUTION

check("quiet", average, best, harmless)

# %% [markdown]
# ## A net for Q
#
# A **deep Q-network** has a net in place of the table: state in, a $Q$ for each action out, trained
# towards the target. Each step resembles the last. A **replay buffer** keeps them, and batches of 32 are
# drawn from it. Without it, a batch is the 32 newest. (A third line adds a **target network**: a copy,
# renewed every 100 steps, makes the targets, so they hold still.)
#
# How long do the best moves hold the pole, without replay?
# (a) Longer: it is up to date. (b) As long. (c) Shorter, at some seeds far shorter.

# %%
check("predict_replay", "c")  # SOLUTION

# %% tags=["nbval-ignore-output"]
print("newest 32          ", *carts.q_learning(range(5), replay=False).round().astype(int))
print("32 out of all      ", *carts.q_learning(range(5)).round().astype(int))
print("... target network ", *carts.q_learning(range(5), renewed=100).round().astype(int))
check.reveal("predict_replay")

# %% [markdown] topics="deep-q-network"
# <details><summary>After you ran it</summary>
#
# With replay every seed comes near 200. The newest steps are two carts in one situation each: the net
# fits it and forgets others. The target network shows no benefit here.
#
# </details>
#
# ## Why it is harder
#
# A reward says little, and often late. What is seen depends on the policy. One must try to
# know. So runs differ: the actor-critic at forty seeds.

# %% tags=["nbval-ignore-output"]
best_so_far = np.maximum.accumulate(forty, axis=1)
lost = np.any((best_so_far > 190) & (forty < 150), axis=1)
print("shortest in the end:", *np.sort(forty[:, -1])[:8].round().astype(int))
print(f"in the end above 190: {np.sum(forty[:, -1] > 190)} of 40")
print(f"once above 190, later below 150: {lost.sum()}")

# %% [markdown] topics="rl-is-harder"
# Most hold the pole. Some held it and lost it: a worse policy sees worse states, and learns
# from those. Three seeds would hardly have told you.
#
# ## When a judge compares
#
# To grade a language model's answer is hard; to say which of two is better is not.
# Let a model choose among six answers by softmax, its **reference** policy. A judge, who errs, has compared
# 400 pairs.
#
# *By rewards.* Fit a **score** $s$ to each answer, so that $\mathrm{sigmoid}(s_a-s_b)$ is the chance that
# $a$ wins. Then follow the policy gradient for the reward $s-\beta\log(p/p_{ref})$. The second part
# is a leash: leaving the reference costs. A **group baseline**, as in GRPO, draws eight answers and
# subtracts their mean reward.
#
# *From the pairs.* The best policy on that leash is known: $p\propto p_{ref}\,e^{s/\beta}$. So $s$ is
# $\beta\log(p/p_{ref})$ plus a constant, which cancels in a pair. Direct preference optimization,
# **DPO** (Rafailov et al., 2023), puts that in its place:
#
# $$\text{margin}=\beta\left(\log\frac{p(a)}{p_{ref}(a)}-\log\frac{p(b)}{p_{ref}(b)}\right),
# \quad\text{loss}=-\log\mathrm{sigmoid}(\text{margin}),$$
#
# where $a$ is the better one. No answer is drawn.
#
# ### The loss of a pair (difficulty 3, 8 minutes)
#
# Write its mean over the pairs. The first four are arrays, an entry for each pair: `better` is
# $\log p(a)$, `worse` $\log p(b)$; `better_ref` and `worse_ref` are the reference's.


# %% exercise="dpo_loss"
def dpo_loss(better, worse, better_ref, worse_ref, beta):
    """Return the mean loss of the pairs."""
    ### BEGIN SOLUTION
    margin = beta * ((better - better_ref) - (worse - worse_ref))
    return np.mean(np.log(1 + np.exp(-margin)))
    ### STUB
    # return ...
    ### END SOLUTION


check("dpo_loss", dpo_loss)

# %% [markdown]
# All three from the same pairs, which tell nothing of a constant in the scores: add 0, or 3.
# "Off by": the largest distance from the best policy on the leash.

# %%
better, worse = parts.judged(pairs=400, seed=0)
scores, beta = parts.scores_from(better, worse), 0.5
ideal = parts.REFERENCE * np.exp(scores / beta)
ideal = ideal / ideal.sum()
found = {}
for added in (0, 3):
    for name, group in ((f"REINFORCE, +{added}", False), (f"group, +{added}", True)):
        found[name] = [parts.by_reward(scores + added, beta, group, seed) for seed in range(5)]
found["DPO"] = [parts.by_pairs(better, worse, beta)]
for name, policies in found.items():
    print(f"{name:13} off by", *(f"{np.abs(p - ideal).max():.2f}" for p in policies))
parts.policies(ideal, found)

# %% [markdown] topics="preference-tuning"
# DPO comes to the same policy, without noise. Plain REINFORCE suffers from a constant that
# means nothing; the group's mean takes it away. With a net for six scores, and pairs that miss
# answers, the ways part; which is better is contested.
#
# ### Your decision
#
# The running model guesses a class, drawn from its probabilities, and hears only whether it was right. A
# share of the guesses is random. Do you take 0 or 0.2? (`labels`: what could be had.)
# `score` is its validation accuracy.


# %% tags=["nbval-ignore-output"]
def by_reward(y, scores):
    # y holds three columns: the class, a random number that draws the guess, the share.
    label, drawn, share = y[:, 0], y[:, 1:2], y[:, 2:]
    p = (1 - share) * ops.softmax(scores) + share / 10
    guess = ops.argmax(ops.cast(ops.cumsum(p, axis=1) > drawn, "int32"), axis=1)
    reward = ops.cast(ops.cast(guess, label.dtype) == label, "float32")
    return reward * keras.losses.sparse_categorical_crossentropy(guess, scores, from_logits=True)


images = datasets.load_fashion_mnist()
unseen = images.validation
x, labels = np.tile(images.train.x, (3, 1, 1)), np.tile(images.train.y, 3)  # three epochs
drawn = np.random.default_rng(0).random(len(labels))
for share in ("labels", 0, 0.2):
    nets = [lessons.running_model(seed) for seed in range(3)]
    for net in nets:
        net.compile("adam", loss if share == "labels" else by_reward)
    y = labels
    if share != "labels":
        y = np.stack([labels, drawn, np.full(len(labels), share)], axis=1).astype("float32")
    fit_many(nets, x, y, epochs=1, batch_size=64, verbose=0)
    right = [np.asarray(net(unseen.x)).argmax(axis=1) == unseen.y for net in nets]
    print(f"{share:6} validation accuracy", np.mean(right, axis=1).round(2))

# %%
### BEGIN SOLUTION
check.decide(
    choice="one guess in five at random",
    because="without random guesses each of three seeds ends lower, two of them far lower",
    score=0.76,
)
### STUB
# check.decide(choice=..., because=..., score=...)
### END SOLUTION

# %% [markdown]
# ## What you can say now
#
# 1. A value is an expected return; Q-learning moves it towards the reward and the best to follow.
# 2. A policy gradient is a classification of the actions, weighted by what they brought.
# 3. A baseline that does not know the action changes the noise, not the average.
# 4. Who never tries settles for the first reward; who learns from the newest alone forgets.
# 5. DPO finds from pairs what a policy gradient finds from their scores.
#
# **The pitfall.** To report the best of few seeds. How often a method fails is part of its result.
#
# **Break it.** Try a longer leash above: `0.05` for `0.5`.
#
# <details><summary>What happens</summary>
#
# Nearly all goes to the best score, even if a judge's mistake made it so.
#
# </details>
#
# [[next]]

# %%
check.quiz()

# %%
check("quiz_1", "a")  # SOLUTION
check("quiz_2", "b")  # SOLUTION
check("quiz_3", "c")  # SOLUTION
check("quiz_4", "a")  # SOLUTION
check("quiz_5", "b")  # SOLUTION

# %%
check.cards()
check.summary()
