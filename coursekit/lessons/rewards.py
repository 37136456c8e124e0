"""What can be learned from rewards? Checks, hints, quiz and cards."""

import numpy as np

from coursekit.exercises import Lesson, Wrong, brief, expect, lesson
from coursekit.lessons import _carts as carts
from coursekit.lessons import _grid as grid
from coursekit.lessons import _rewards as parts
from coursekit.lessons._combined import Several, combined

__all__ = ["carts", "check", "grid", "parts"]

check = Lesson("rewards", "What can be learned from rewards?")


def _named(fits, faults, groups, **told) -> Wrong | None:
    """Return what tells the first combination of faults that fits, or None."""
    for chosen in combined(groups, most=3):
        if fits(chosen):
            if len(chosen) == 1:
                return Wrong("one", faults=faults[chosen[0]], **told)
            return Several((f"{faults[fault]}." for fault in chosen), **told)
    return None


def _of(ways, faults, right):
    """Return what the first fault makes of a part, and what is right if no fault concerns it."""
    return next((ways[fault] for fault in faults if fault in ways), right)


# --------------------------------------------------------------------------------------------------

RETURNS = {
    "no_discount": "nothing is discounted: gamma never enters",
    "one_more": "the nearest reward is discounted too; the one that comes at once counts in full",
    "from_start": "each reward is discounted from the first step of the episode, not from the step "
    "that you ask about",
    "past": "you add up what came before the step, and the step is not to blame for that",
    "own_missing": "the reward of the step itself is missing",
    "one_ahead": "you look one step ahead only",
    "flat": "all later rewards get gamma once; it counts once for each step of waiting",
    "once": "every reward gets gamma once, the nearest too; it counts once for each step of "
    "waiting",
    "rest": "1 - gamma stands where gamma should",
    "sum_first": "the rewards are added up first, and the sum is discounted by the number of the "
    "step; each reward has a waiting time of its own",
    "last_missing": "the last reward never enters",
    "of_first": "each step gets the return of the first one",
    "no_sum": "there is one reward in each entry, and no sum of what follows",
    "square": "gamma is applied twice for each step",
    "grows": "you divide by gamma where you should multiply",
    "turned": "the list runs from the last step to the first",
    "mean": "there is a division by the number of steps: a return is a sum",
    "minus": "all have the other sign",
    "next_first": "it begins with the next step; the reward of the step itself comes first",
    "from_end": "each reward is discounted by the steps from it to the end",
}
RETURNS_GROUPS = (
    ("no_discount", "from_start", "from_end", "square", "grows", "flat", "once", "rest",
     "sum_first"),
    ("past", "one_ahead", "no_sum", "last_missing", "of_first"),
    ("own_missing", "one_more", "next_first"),
    ("turned",),
    ("mean", "minus"),
)  # fmt: skip


@check.exercise(
    title="What a step is worth",
    messages={
        "one": "for the rewards {rewards} and gamma {gamma} you return {got}: {faults}.",
        "several": "for the rewards {rewards} and gamma {gamma} you return {got}. Several things "
        "at once:",
        "only_first": "you return one number, {got}. Wanted is a return for each step.",
        "rewards_back": "you return the rewards as they are. What comes after a step counts too.",
        "wrong": "for the rewards {rewards} and gamma {gamma} you return {got}. The last step is "
        "the easiest: what is its return? Then go one step back at a time.",
    },
    hints=[
        "The return of the last step is its reward. That of the step before uses it.",
        "Walk back: a step's return is its reward, plus gamma times the return of the next step.",
        "`later = 0`; `for r in reversed(rewards): later = r + gamma * later`; keep each `later`, "
        "and turn the list round at the end.",
    ],
    why="Each step back multiplies all that follows by gamma once more. One walk from the end "
    "costs one product a step.",
    alternative="the sum of `gamma**k * rewards[t + k]` for each t; slower, and the same.",
)
def returns(answer):
    expect.function(answer, "`returns`")
    rng = np.random.default_rng(0)
    cases = [([0.0, 0.0, 1.0], 0.9), ([1.0, -2.0, 3.0, 4.0], 0.5), ([3.0], 0.7),
             (np.round(rng.normal(size=7), 1).tolist(), 0.8), ([1.0, 2.0, 4.0], 1.0),
             ([5.0, 2.0, 4.0], 0.0)]  # fmt: skip
    made = []
    for rewards, gamma in cases:
        given = list(rewards)
        found = answer(given, gamma)
        if given != list(rewards):
            raise Wrong("mutated", argument="rewards")
        if np.ndim(found) == 0 and np.asarray(found).dtype.kind in "iuf" and len(rewards) > 1:
            raise Wrong("only_first", got=brief(expect.number(found, "`returns(...)`")))
        made.append(expect.array(found, (len(rewards),), what="`returns(...)`"))
    if all(np.allclose(m, _returns(*case), atol=1e-5) for m, case in zip(made, cases, strict=True)):
        return
    at = next(k for k, case in enumerate(cases) if not np.allclose(made[k], _returns(*case)))
    told = {"rewards": cases[at][0], "gamma": cases[at][1], "got": np.round(made[at], 3).tolist()}
    if all(np.allclose(m, case[0]) for m, case in zip(made, cases, strict=True)):
        raise Wrong("rewards_back")

    def fits(faults):
        pairs = zip(made, cases, strict=True)
        return all(np.allclose(m, _returns(*case, faults), atol=1e-5) for m, case in pairs
                   if case[1] > 0)  # fmt: skip

    raise _named(fits, RETURNS, RETURNS_GROUPS, **told) or Wrong("wrong", **told)


def _returns(rewards, gamma, faults=()):
    n, r = len(rewards), np.asarray(rewards, float)
    factor = {"no_discount": 1.0, "square": gamma**2, "grows": 1 / max(gamma, 1e-9),
              "rest": 1 - gamma}  # fmt: skip
    g = _of(factor, faults, gamma)
    found = np.zeros(n)
    for t in range(n):
        for k in range(n - ("last_missing" in faults)):
            ahead = t - k if "past" in faults else k - t
            furthest = 0 if "no_sum" in faults else 1 if "one_ahead" in faults else n
            late = "own_missing" in faults or "next_first" in faults
            if not late <= ahead <= furthest:
                continue
            powers = {"from_start": k, "from_end": n - 1 - k, "next_first": ahead - 1, "once": 1,
                      "sum_first": t}  # fmt: skip
            power = _of(powers, faults, ahead)
            power = min(power, 1) if "flat" in faults else power
            found[t] += g ** (power + ("one_more" in faults)) * r[k]
    found = np.full(n, found[0]) if "of_first" in faults else found
    found = found / n if "mean" in faults else found
    found = -found if "minus" in faults else found
    return found[::-1] if "turned" in faults else found


# --------------------------------------------------------------------------------------------------

UPDATES = {
    "no_old": "the old value is not subtracted from the target: what moves Q is the difference",
    "plus": "the old value is added to the target; what moves Q is the difference",
    "whole": "alpha is missing: Q goes all the way to the target",
    "reward_share": "alpha multiplies the reward alone; it belongs to the whole difference (are "
    "there brackets around it?)",
    "next_whole": "alpha does not reach the next value (are there brackets around the target?)",
    "old_share": "alpha multiplies the old value alone; the target gets its share too",
    "ended": "what comes after the end of an episode still counts; there is nothing after it",
    "no_next": "the next value never enters",
    "no_reward": "the reward is missing",
    "reward_lost": "in the last step the reward is lost too; only what comes later ends",
    "reward_late": "the reward counts in the last step only; each move has one",
    "inverted": "the next value counts only when the episode has ended: the other way round",
    "tilde": "`~ended` of a Python bool is -1 or -2, not its opposite: `not ended` is meant",
    "no_gamma": "the next value is not discounted",
    "gamma_all": "gamma multiplies the reward too; it belongs to what comes later",
    "gamma_reward": "gamma multiplies the reward in place of the next value",
    "gamma_rest": "1 - gamma multiplies the next value; it should be gamma",
    "minus": "Q moves away from its target",
    "shares": "alpha and 1 - alpha have changed places",
    "forgets": "the old value is gone: you return alpha times the target",
    "only_change": "you return the change alone; it is to be added to the old value",
    "next_minus": "the next value is subtracted",
    "jumps": "at the end of an episode Q is set to the reward; there too it goes the share alpha",
    "stays": "at the end of an episode nothing is learned, and there the reward is paid",
    "end_zero": "at the end of an episode you return 0; there too Q goes towards its target",
    "end_grows": "at the end of an episode the old value is not subtracted; there too what moves Q "
    "is a difference",
    "end_forgets": "at the end of an episode the old value is gone; there too Q starts from it",
    "exchanged": "alpha and gamma have changed places",
    "old_discounted": "gamma multiplies the old value too: it belongs to the next value alone",
    "alpha_twice": "alpha is applied twice",
}
UPDATES_GROUPS = (
    ("whole", "alpha_twice", "shares", "reward_share", "next_whole", "old_share"),
    ("no_old", "plus", "old_discounted", "forgets"),
    ("only_change",),
    ("minus",),
    ("ended", "inverted", "tilde", "no_next", "jumps", "stays", "end_zero", "end_grows",
     "end_forgets"),
    ("no_reward", "reward_lost", "reward_late"),
    ("exchanged",),
    ("no_gamma", "gamma_all", "gamma_reward", "gamma_rest"),
    ("next_minus",),
)  # fmt: skip


@check.exercise(
    title="One step of Q-learning",
    messages={
        "one": "for {case} you return {got}: {faults}.",
        "several": "for {case} you return {got}. Several things at once:",
        "same": "you return q as it was. What did the move teach?",
        "wrong": "for {case} you return {got}. Compute the target alone first, then how far it is "
        "from q.",
    },
    hints=[
        "The target is what this move has brought, and what may still come.",
        "If the episode has ended nothing comes: the target is the reward alone.",
        "`target = reward if ended else reward + gamma * best_next`; then move from q towards it.",
    ],
    why="Q moves the share alpha of its way to the target. The best next move is taken for "
    "granted, whatever the agent does next: so it learns also from moves made at random.",
    alternative="`(1 - alpha) * q + alpha * target`.",
)
def q_update(answer):
    expect.function(answer, "`q_update`")
    names = ("q", "reward", "best_next", "ended", "alpha", "gamma")
    cases = [(2.0, 1.0, 5.0, False, 0.5, 0.9), (2.0, 1.5, 5.0, True, 0.5, 0.9),
             (-1.3, -0.4, 2.7, False, 0.2, 0.7), (0.7, -0.6, 3.1, True, 0.3, 0.8),
             (0.0, 0.0, -1.9, False, 0.1, 0.95)]  # fmt: skip
    made = [expect.number(answer(*case), "`q_update(...)`") for case in cases]

    def fits(faults):
        pairs = zip(made, cases, strict=True)
        return all(np.isclose(m, _update(*case, faults), rtol=1e-4, atol=1e-5) for m, case in pairs)

    if fits(()):
        return
    at = next(k for k in range(5) if not np.isclose(made[k], _update(*cases[k]), rtol=1e-4))
    words = ", ".join(f"{name}={value:g}" if name != "ended" else f"{name}={value}"
                      for name, value in zip(names, cases[at], strict=True))  # fmt: skip
    told = {"case": words, "got": brief(made[at])}
    if np.allclose(made, [case[0] for case in cases]):
        raise Wrong("same")
    raise _named(fits, UPDATES, UPDATES_GROUPS, **told) or Wrong("wrong", **told)


def _update(q, reward, best_next, ended, alpha, gamma, faults=()):
    alpha, gamma = (gamma, alpha) if "exchanged" in faults else (alpha, gamma)
    ends = {"jumps": reward, "stays": q, "end_zero": 0.0, "end_grows": q + alpha * reward,
            "end_forgets": alpha * reward}  # fmt: skip
    if ended and ends.keys() & set(faults):
        return _of(ends, faults, q)
    passes = {"ended": 1.0, "no_next": 0.0, "inverted": ended, "tilde": ~int(ended)}
    later = _of(passes, faults, 1.0 - ended) * best_next
    later = -later if "next_minus" in faults else later
    none = {"no_reward": True, "reward_lost": ended, "reward_late": not ended}
    reward = 0.0 if _of(none, faults, False) else reward
    gammas = {"no_gamma": (1, 1), "gamma_all": (gamma, gamma), "gamma_reward": (gamma, 1),
              "gamma_rest": (1, 1 - gamma)}  # fmt: skip
    reward, later = np.multiply(_of(gammas, faults, (1, gamma)), (reward, later))
    shares = {"whole": (1, 1, 1), "alpha_twice": (alpha**2,) * 3, "shares": (1 - alpha,) * 3,
              "reward_share": (alpha, 1, 1), "next_whole": (alpha, 1, alpha),
              "old_share": (1, 1, alpha)}  # fmt: skip
    old = _of({"no_old": 0.0, "plus": -q, "old_discounted": gamma * q, "forgets": 0.0}, faults, q)
    change = np.dot(_of(shares, faults, (alpha,) * 3), (reward, later, -old))
    change = -change if "minus" in faults else change
    return change if {"only_change", "forgets"} & set(faults) else q + change


# --------------------------------------------------------------------------------------------------

PUSHES = {
    "downhill": "it has the other sign: this is the way down, for an optimizer; asked is the "
    "direction in which the reward grows",
    "no_label": "the 1 at the chosen action is missing",
    "label_off": "the 1 at the chosen action is subtracted; it should be added",
    "set_one": "at the chosen action the 1 stands in place of what was there: nothing is "
    "subtracted from it",
    "no_p": "nothing is subtracted from the 1: the other actions lose what this one gains",
    "p_added": "p is added where it should be subtracted",
    "others_up": "the other actions are pushed the same way; they lose what the chosen one gains",
    "log_p": "this is built from log p itself; asked is its gradient by the scores",
    "by_p": "this is the gradient by the probabilities; asked is that by the scores",
    "baseline_missing": "the baseline does not enter",
    "baseline_added": "the baseline is added; it should be subtracted from the reward",
    "baseline_outside": "the baseline is subtracted from the direction; it belongs to the reward",
    "no_reward": "the reward does not enter: all actions are pushed alike",
    "slope": "there is a factor p (1 - p): the logarithm of a softmax has none",
    "times_p": "there is a factor p too many: the logarithm of a softmax has none",
    "raw": "the scores are taken for the probabilities",
    "chosen": "only the chosen action has an entry. The others lose what it gains",
    "all_chosen": "every action is treated as the one that was taken",
    "squared": "the reward above the baseline is squared: its sign is lost",
    "absolute": "the sign of the reward above the baseline is lost",
    "brackets": "the reward is not multiplied (are there brackets around `reward - baseline`?)",
    "new_scores": "you return the new scores; asked is the direction alone",
    "halved": "there is a factor of one half",
    "mean": "there is a division by the number of actions",
    "divided": "there is a division by the probability of the action: that is the gradient of its "
    "logarithm twice",
    "probability": "there is a factor p of the action: that is the gradient of the probability, "
    "not of its logarithm",
}
PUSHES_GROUPS = (
    ("downhill",),
    ("no_label", "label_off", "set_one", "no_p", "p_added", "others_up", "log_p", "by_p", "chosen",
     "all_chosen"),
    ("baseline_missing", "baseline_added", "baseline_outside", "no_reward", "squared", "absolute",
     "brackets"),
    ("slope", "times_p", "raw", "new_scores"),
    ("halved", "mean"),
    ("divided", "probability"),
)  # fmt: skip


@check.exercise(
    title="The direction of a reward",
    messages={
        "one": "for {case} you return {got}: {faults}.",
        "several": "for {case} you return {got}. Several things at once:",
        "no_gradient": "for {case} you return one number, {got}: that is what is to grow. Asked is "
        "its gradient, an entry for each score.",
        "wrong": "for {case} you return {got}. With p = softmax(scores), look at each entry: which "
        "action was taken, and was it better than the baseline?",
    },
    hints=[
        "What does the cross-entropy with `action` as label have for a gradient? Turn it round.",
        "The gradient of log p[action] by the scores is a 1 at the action, less p.",
        "`push = -p`; `push[action] += 1`; then times the reward above the baseline.",
    ],
    why="It is the gradient of a classification with the action as its label, turned uphill and "
    "weighted. An action that brought more than the baseline becomes more probable.",
    alternative="`(reward - baseline) * (np.eye(len(p))[action] - p)`, or a library's gradient of "
    "`(reward - baseline) * log p[action]`.",
)
def policy_gradient(answer):
    expect.function(answer, "`policy_gradient`")
    cases = [(np.array([0.0, 1.0, -0.5]), 1, 3.0, 1.0), (np.array([0.3, -0.2]), 0, -1.0, 0.5),
             (np.array([1.0, 0.4, 0.1, -1.2]), 3, 2.0, 2.7),
             (np.array([0.2, -0.7, 0.9]), 0, 1.5, 0.0)]  # fmt: skip
    made = []
    for scores, action, reward, baseline in cases:
        found = answer(scores.copy(), action, reward, baseline)
        gain = (reward - baseline) * np.log(carts.softmax(scores)[action])
        if np.shape(found) == () and np.asarray(found).dtype.kind in "iuf":
            got = expect.number(found, "`policy_gradient(...)`")
            if np.isclose(abs(got), abs(gain), rtol=1e-3):
                case = _case(scores, action, reward, baseline)
                raise Wrong("no_gradient", case=case, got=f"{got:.4g}")
        made.append(expect.array(found, scores.shape, what="`policy_gradient(...)`"))

    def fits(faults):
        pairs = zip(made, cases, strict=True)
        return all(np.allclose(m, _push(*case, faults), rtol=1e-3, atol=1e-5) for m, case in pairs)

    if fits(()):
        return
    at = next(k for k in range(4) if not np.allclose(made[k], _push(*cases[k]), rtol=1e-3))
    told = {"case": _case(*cases[at]), "got": np.round(made[at], 3).tolist()}
    raise _named(fits, PUSHES, PUSHES_GROUPS, **told) or Wrong("wrong", **told)


def _case(scores, action, reward, baseline):
    return f"scores {scores.tolist()}, action {action}, reward {reward:g}, baseline {baseline:g}"


def _push(scores, action, reward, baseline, faults=()):
    p, one = carts.softmax(scores), np.eye(len(scores))[action]
    factor = p[action] if "probability" in faults else 1.0
    factor = factor / (p[action] if "divided" in faults else 1.0)
    spread = scores if "raw" in faults else p
    ways = {"no_label": -spread, "label_off": -spread - one, "no_p": one, "by_p": one / p,
            "set_one": np.where(one, 1, -spread), "p_added": one + spread, "log_p": np.log(p),
            "others_up": np.where(one, 1 - spread, spread), "chosen": one * (1 - spread),
            "all_chosen": 1 - spread}  # fmt: skip
    push = _of(ways, faults, one - spread)
    push = push * p * (1 - p) if "slope" in faults else push
    push = push * p if "times_p" in faults else push
    weights = {"baseline_missing": reward, "baseline_outside": reward, "no_reward": 1.0,
               "baseline_added": reward + baseline, "brackets": -baseline,
               "squared": (reward - baseline) ** 2,
               "absolute": abs(reward - baseline)}  # fmt: skip
    weight = _of(weights, faults, reward - baseline)
    factor *= (-1 if "downhill" in faults else 1) * (0.5 if "halved" in faults else 1)
    found = factor * weight * push / (len(scores) if "mean" in faults else 1)
    found = found + _of({"baseline_outside": -baseline, "brackets": reward}, faults, 0)
    return scores + found if "new_scores" in faults else found


# --------------------------------------------------------------------------------------------------

LETTERS = {
    "A": "100 is the same whatever the move: it cancels on average. It adds noise, and no bias.",
    "B": "The other episodes know nothing of this move.",
    "C": "The critic sees where the agent stands, and not what it does there.",
    "D": "This baseline knows the move. Of a good move it takes away what made it good.",
}


@check.exercise(
    title="A quiet baseline",
    messages={
        "sum": "{got} is the sum of the two; each move comes half of the time.",
        "first": "{got} is the first move's push, without baseline. The second comes as often.",
        "second": "{got} is the second move's push, without baseline. The first comes as often.",
        "unsigned": "{got} adds both as if they had one sign. One move pushes the first score up, "
        "the other pushes it down.",
        "rewards": "{got} is made of the rewards alone. A push is the reward times the gradient of "
        "log p, and one move pushes the first score down.",
        "chance": "{got} is the push before a reward has weighed it.",
        "turned": "{got} has the other sign: does the first score rise or fall on average?",
        "difference": "{got} is the difference of the rewards. A half enters twice: once in the "
        "push, once because each move comes half of the time.",
        "nothing": "`average` is not 0: the two moves do not pay the same.",
        "average": "`average` is not {got}. Write down the push on the first score for each move.",
        "of_one": "`average` is right. With {got} one of the moves pushes nothing, the other does.",
        "both_sum": "`average` is right. {got} is both rewards added up.",
        "zero_baseline": "`average` is right. Without baseline the two pushes are far apart.",
        "quiet": "`average` is right. With the baseline {got} the two pushes still differ: write "
        "both down with b in them.",
        "missing": "the numbers are right. {letter} may be subtracted. {why}",
        "extra": "the numbers are right. {letter} may not. {why}",
    },
    hints=[
        "The push on the first score: (10 - b) times 1/2 for the first move, (11 - b) times -1/2 "
        "for the second.",
        "`average` is the mean of the two. What becomes of b in it?",
        "A baseline may depend on all that was known before the move.",
    ],
    why="Without baseline the pushes are 5 and -5.5: mean -0.25, in a noise twenty times as large. "
    "With 10.5 both are -0.25. What does not depend on the move cancels on average.",
    alternative="`-1/4`; letters in any spelling.",
)
def quiet(average, baseline, harmless):
    got = expect.numeral(average, "`average`")
    if not np.isclose(got, -0.25):
        slips = {-0.5: "sum", 5.0: "first", -5.5: "second", 5.25: "unsigned", -5.25: "unsigned",
                 0.25: "turned", -1.0: "difference", 1.0: "difference", 0.5: "chance",
                 0.0: "nothing", **dict.fromkeys((10.0, 10.5, 11.0, 21.0), "rewards")}  # fmt: skip
        if got not in slips:
            expect.no_slips(got, -0.25, "`average`")
        raise Wrong(slips.get(got, "average"), got=f"{got:g}")
    got = expect.numeral(baseline, "`best`")
    if not np.isclose(got, 10.5):
        slips = {10.0: "of_one", 11.0: "of_one", 21.0: "both_sum", 0.0: "zero_baseline"}
        if got not in slips:
            expect.no_slips(got, 10.5, "`best`")
        raise Wrong(slips.get(got, "quiet"), got=f"{got:g}")
    letters = expect.letters(harmless, "ABCD", "`harmless`")
    for letter in "ABCD":
        if (letter in letters) != (letter in "ABC"):
            key = "extra" if letter in letters else "missing"
            raise Wrong(key, letter=letter, why=LETTERS[letter])


# --------------------------------------------------------------------------------------------------

PAIRS = {
    "swapped": "the worse answer is treated as the better one",
    "no_reference": "the reference does not enter",
    "reference_added": "the reference is added; it should be subtracted",
    "better_only": "the worse answer does not enter",
    "beta_part": "beta multiplies the part of the better answer alone (are there brackets around "
    "the difference?)",
    "brackets": "the reference of the worse answer has the wrong sign (are there brackets around "
    "what is subtracted?)",
    "quotient": "you divide logarithms; the logarithm of a quotient is a difference",
    "log_again": "you take the logarithm of a quotient of logarithms; the arguments are logarithms "
    "already, so a difference is all that it takes",
    "ratio": "the quotients of the probabilities enter without their logarithm",
    "added": "what the policy has gained on the two answers is added up; a margin is a difference",
    "of_sum": "you add the margins of all pairs up first; each pair has a loss of its own",
    "no_beta": "beta does not enter",
    "divides": "beta divides; it should multiply",
    "outside": "beta multiplies the loss, not what stands in the sigmoid",
    "log_of_mean": "you take the mean before the logarithm; each pair has a loss of its own",
    "margin": "this is the margin; the loss is what the formula makes of it",
    "share": "this is the sigmoid of the margin, without its logarithm",
    "no_log": "the logarithm is missing: this is the share that the policy gets wrong",
    "gain": "it has the other sign: a loss gets smaller as the policy agrees with the judge",
    "sum": "it is the sum over the pairs; asked is the mean",
    "doubled": "there is a factor of 2",
    "halved": "there is a factor of one half",
    "log2": "the logarithm has the base 2",
    "log10": "the logarithm has the base 10",
    "of_mean": "you take the mean of the margins first, and the loss of that; each pair has a loss "
    "of its own",
    "no_sigmoid": "the sigmoid is missing: this margin has no end, and no pair is ever enough",
}
PAIRS_GROUPS = (
    ("swapped", "better_only", "added"),
    ("no_reference", "reference_added", "brackets", "quotient", "log_again", "ratio"),
    ("no_beta", "beta_part", "divides", "outside"),
    ("no_log", "share", "margin", "log2", "log10", "no_sigmoid"),
    ("gain",),
    ("sum", "of_mean", "of_sum", "log_of_mean"),
    ("doubled", "halved"),
)


@check.exercise(
    title="The loss of a pair",
    messages={
        "one": "with {pairs} in a batch you return {got}: {faults}.",
        "several": "with {pairs} in a batch you return {got}. Several things at once:",
        "rows": "you return a loss for each of the {pairs} pairs. Asked is their mean.",
        "wrong": "for {case} you return {got}. A policy that is the reference has a margin of 0, "
        "and the loss log 2.",
    },
    hints=[
        "How much more does the policy like the better answer than the reference does? And the "
        "worse one?",
        "The margin is the difference of these two, times beta.",
        "`margin = beta * ((better - better_ref) - (worse - worse_ref))`; then the logistic loss.",
    ],
    why="It is a classification, which of the two is better, and the margin is its score. The "
    "policy is its own reward model.",
    alternative="`np.mean(np.logaddexp(0, -margin))`, which does not overflow.",
)
def dpo_loss(answer):
    expect.function(answer, "`dpo_loss`")
    rng = np.random.default_rng(0)
    cases = [(*np.log(rng.uniform(0.05, 0.6, (4, n))), beta) for n, beta in
             ((1, 0.5), (4, 0.3), (3, 2.0), (5, 1.0))]  # fmt: skip
    made = []
    for case in cases:
        found = answer(*(np.copy(v) for v in case[:4]), case[4])
        if np.shape(found) == (len(case[0]),) and len(case[0]) > 1:
            raise Wrong("rows", pairs=len(case[0]))
        made.append(expect.number(found, "`dpo_loss(...)`"))

    def fits(faults):
        pairs = zip(made, cases, strict=True)
        return all(np.isclose(m, _dpo(*case, faults), rtol=1e-3, atol=1e-5) for m, case in pairs)

    if fits(()):
        return
    at = next(k for k in range(4) if not np.isclose(made[k], _dpo(*cases[k]), rtol=1e-3))
    pairs = len(cases[at][0])
    told = {"pairs": f"{pairs} pair{'s' * (pairs > 1)}", "got": brief(made[at])}
    wrong = _named(fits, PAIRS, PAIRS_GROUPS, **told)
    if wrong:
        raise wrong
    names = ("better", "worse", "better_ref", "worse_ref")
    logs = ", ".join(
        f"{n} {np.round(v, 2).tolist()}" for n, v in zip(names, cases[at], strict=False)
    )
    raise Wrong("wrong", case=f"{logs}, beta {cases[at][4]:g}", **told)


def _dpo(better, worse, better_ref, worse_ref, beta, faults=()):
    times = _of({"better_only": 0.0, "added": -1.0}, faults, 1.0)
    one = beta if "beta_part" in faults else 1.0
    ways = {
        "no_reference": (better, worse),
        "reference_added": (better + better_ref, worse + worse_ref),
        "brackets": (better - better_ref, worse + worse_ref),
        "quotient": (better / better_ref, worse / worse_ref),
        "log_again": (np.log(better / better_ref), np.log(worse / worse_ref)),
        "ratio": (np.exp(better - better_ref), np.exp(worse - worse_ref)),
    }
    gained, lost = _of(ways, faults, (better - better_ref, worse - worse_ref))
    betas = {"no_beta": 1.0, "outside": 1.0, "beta_part": 1.0, "divides": 1 / beta}
    margin = _of(betas, faults, beta) * (one * gained - times * lost)
    margin = -margin if "swapped" in faults else margin
    margin = margin.mean(keepdims=True) if "of_mean" in faults else margin
    margin = margin.sum(keepdims=True) if "of_sum" in faults else margin
    chance = 1 / (1 + np.exp(-margin))
    if "log_of_mean" in faults:
        chance = chance.mean(keepdims=True)
    whole = -np.log(chance)
    losses = {"no_log": 1 - chance, "share": chance, "margin": margin, "no_sigmoid": -margin,
              "log2": whole / np.log(2), "log10": whole / np.log(10)}  # fmt: skip
    loss = _of(losses, faults, whole)
    loss = beta * loss if "outside" in faults else loss
    loss = loss.sum() if "sum" in faults else loss.mean()
    loss = loss * (2 if "doubled" in faults else 1) * (0.5 if "halved" in faults else 1)
    return -loss if "gain" in faults else loss


# Predictions, quiz, cards -------------------------------------------------------------------------

check.prediction(
    "predict_random",
    reasons={
        "a": "The coin is found first. From then on it is the best known, and nothing else is "
        "tried.",
        "b": "To know that the goal pays more it must have been there, and the coin ends episodes.",
        "c": "Before the first reward all moves are equally good, so it does walk about.",
    },
    answer="a",
)
check.prediction(
    "predict_baseline",
    reasons={
        "a": "What is the same for all moves cancels on average, and it brings noise.",
        "b": "On average, yes. But each batch is a sample, and its noise is another.",
        "c": "Moves of long and of short episodes are told apart by it, more clearly than before.",
    },
    answer="a",
)
check.prediction(
    "predict_replay",
    reasons={
        "a": "The newest 32 are sixteen moments of each of two carts: nearly one situation.",
        "b": "The rows are as many, but they are no fair sample of what can happen.",
        "c": "The net fits the moment it is in, and forgets what it knew of others.",
    },
    answer="c",
)
check.question(
    "quiz_1",
    "An agent with Q-learning always takes the best move it knows. What is the danger?",
    options={
        "a": ("it settles for the first reward", "What is not tried cannot be found better."),
        "b": ("its values explode", "Each value moves towards its target."),
        "c": ("it learns too slowly", "It may be fast, to the wrong place."),
    },
    answer="a",
)
check.question(
    "quiz_2",
    "Of what is a policy gradient the weighted version?",
    options={
        "a": ("a regression on the rewards", "That is what a critic does."),
        "b": ("a classification whose labels are the actions", "The weights are returns."),
        "c": ("k-means on the states", "Nothing is grouped."),
    },
    answer="b",
)
check.question(
    "quiz_3",
    "Three seeds of a method hold the pole. What do you know?",
    options={
        "a": ("it always works", "Runs may lose what they had; three show little of that."),
        "b": ("nothing", "You know that it can work."),
        "c": ("it can work", "How often it fails takes many more seeds."),
    },
    answer="c",
)
check.question(
    "quiz_4",
    f"From {lesson('backpropagation')}: the gradient of softmax and cross-entropy by the scores?",
    options={
        "a": ("p - y", "Divided by the number of rows, if the loss is their mean."),
        "b": ("p (1 - p)", "That is a sigmoid's slope."),
        "c": ("y - p", "The other sign: this is the way down."),
    },
    answer="a",
)
check.question(
    "quiz_5",
    f"From {lesson('what_training_is')}: a machine predicts the next word of texts. It learns from",
    options={
        "a": ("rewards", "Nothing is paid: the right word is in the text."),
        "b": ("labels that the data bring themselves", "Self-supervised, as it was called there."),
        "c": ("nothing at all", "The text is what it learns from."),
    },
    answer="b",
)
check.card(
    "What is a return, and what is a value?",
    "A return is the discounted sum of the rewards from a step on. A value is its expectation, for "
    "a place (V) or a move in a place (Q).",
)
check.card(
    "The update of Q-learning?",
    "Q moves by alpha times (r + gamma max Q' - Q); at the end of an episode the target is r.",
)
check.card(
    "What is a policy gradient?",
    "The mean of (return - baseline) times the gradient of log p(action): a classification of the "
    "actions taken, weighted.",
)
check.card(
    "What does a baseline change?",
    "The noise, not the mean, if it does not know the move. A critic is a learned one: the value "
    "of the state.",
)
check.card(
    "What does a replay buffer do?",
    "It keeps past steps and draws batches from them, so that a batch is not one moment.",
)
check.card(
    "What does DPO need, and what not?",
    "Pairs of answers with the better one marked, and a reference. No reward model, no sampling.",
)
check.card(
    "Why is learning from rewards harder?",
    "A reward says little and late, what is seen depends on the policy, one must try in order to "
    "know, and seeds differ widely.",
)
