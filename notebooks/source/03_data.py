# ---
# jupyter:
#   coursekit:
#     backends:
#     - tensorflow
#     - jax
#     minutes: 48
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
# # How good can the model get on this data?
#
# Skip ahead if you can answer these: which wrong labels do harm, and which hardly any? When does a missing
# value say something? Whose mean standardises a new row?
#
# You will clean a table, code its columns without a leak, and find wrong labels. You need `fit`
# ([[training_loop]]), NumPy, a little pandas.

# %% tags=["setup"]
from coursekit import lessons

lessons.report(["tensorflow", "jax"])

import keras
import numpy as np
from keras import layers

from coursekit import datasets
from coursekit.lessons.data import check, parts
from coursekit.training import fit_many

# %% [markdown] topics="data-sets-the-ceiling data-sources"
# ## The data set the ceiling
#
# A model knows what its rows say. Where they come from tells what to doubt:
#
# | source | what is often wrong | look at |
# |---|---|---|
# | people's labels | slips; errors that all make alike | a sample labelled twice |
# | web scraping | copies, one language, no permission | repeated rows |
# | sensor logs | glitches, codes such as -999 | extremes, commonest values |
# | transactions | who was refused is missing | who is not there |
# | synthetic | what the generator does not know | real rows beside them |
# | existing databases | units that changed | a column by year |
#
# Ten people wrote 1,287 digits. 80 labels, 6 %, are made wrong: either any 80, each some other digit,
# or 80 of the 131 threes, all called 8. Which costs more on two other people's digits, with right
# labels? (a) The threes. (b) Any 80. (c) About the same.

# %%
check("predict_wrong_labels", "a")  # SOLUTION

# %% topics="data-accurate-labels" tags=["nbval-ignore-output"]
digits = datasets.load_digits()
x, y = digits.train.x.reshape(-1, 64), digits.train.y
x_new, y_new = digits.validation.x.reshape(-1, 64), digits.validation.y


def namer(seed, hidden=32):
    keras.utils.set_random_seed(seed)
    first = [layers.Dense(hidden, activation="relu")] if hidden else []
    model = keras.Sequential([keras.Input((64,)), *first, layers.Dense(10, "softmax")])
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    return model


plan = [(n, kind, seed) for n in parts.COUNTS for kind in parts.KINDS for seed in range(3)]
nets = {run: namer(seed=run[2]) for run in plan}
parts.fit_mislabelled(nets, x, y, epochs=15, batch_size=64)
right = parts.named_rightly(nets, x_new, y_new)
for n, kind in [(0, "any"), (80, "any"), (80, "threes")]:
    print(f"{n:2} {parts.KINDS[kind]:22}", *[f"{right[n, kind, s]:.2f}" for s in range(3)])
check.reveal("predict_wrong_labels")

# %% [markdown]
# <details><summary>After you ran it</summary>
#
# Move the slider. Random errors contradict each other, and right labels outvote them, at a cost hardly
# larger than seeds differ. Errors that agree win once they are the majority: with 32 most threes are still
# named, with 80 hardly one. To the net, 8 *is* the name of a three; no longer training would help.
#
# </details>
#
# ## More rows
#
# The same task, fewer rows; `some_rows` repeats them up to 1,280, for equally many steps.

# %% topics="data-sufficient" tags=["nbval-ignore-output"]
plan = [(size, hidden, seed) for size in parts.SIZES for hidden in (0, 256) for seed in range(5)]
rows = [parts.some_rows(len(x), size, seed) for size, _, seed in plan]
grown = [namer(seed, hidden) for _, hidden, seed in plan]
fit_many(grown, x, y, rows=rows, epochs=12, batch_size=64, verbose=0)
parts.learning_curves(plan, grown, x_new, y_new)

# %% [markdown]
# Each step helps less. Without a hidden layer, more than 320 rows bring nothing: there the model is
# the ceiling. The larger net's ceiling is higher; it gets there later. (Larger nets *need* more, one
# hears; not so at 40 rows here.)
#
# ## A table as it comes
#
# 4,454 loans, good or bad; for 381 nobody wrote down the income. Of loans with an income 25 % went bad. Of
# those without? (a) About 25 %. (b) Far fewer. (c) More than twice as many.

# %%
check("predict_missing", "c")  # SOLUTION

# %% topics="missing-values error-correction outlier-handling duplicates"
table = datasets.load_credit_data().table
bad, unknown = table.Status == "bad", table.Income.isna()
print(f"bad, income known: {bad[~unknown].mean():.2f}, unknown: {bad[unknown].mean():.2f}")
far = (table.Income - table.Income.mean()).abs() > 3 * table.Income.std()
print(f"over 3 deviations from the mean: {far.sum()} incomes, bad {bad[far].mean():.2f}")

shelter = datasets.load_animal_shelter().table
typo, early = shelter["Intake Condition"] == "ILL MODERATETE", shelter.DOB > shelter["Intake Date"]
print(f"animals 'ILL MODERATETE': {typo.sum()}, born after they came in: {early.sum()}")
bank = parts.planted(seed=0)[0]  # 400 loans, with defects that we planted
print(bank.describe().loc[["min", "50%", "max"]])
check.reveal("predict_missing")

# %% [markdown]
# <details><summary>After you ran it</summary>
#
# The gap says much. Dropping such rows, or filling gaps without a mark, throws that away. And "drop what is
# over three deviations away" drops real customers, good ones mostly.
#
# </details>
#
# | defect | repair |
# |---|---|
# | typo, several spellings | one spelling |
# | glitch, a code for "none" | missing, never a number |
# | impossible entry | what can be known, else missing |
# | encoding (JosÃ©) | `"JosÃ©".encode("latin-1").decode()` |
# | copy | keep one: two count double, and may be trained *and* tested on |
# | extreme but possible | it stays; a logarithm tames it |
#
# ### Clean the bank's table (difficulty 3, 9 minutes)
#
# In such tables an `Income` of 9999999 means unknown, some `Age` have a minus sign by mistake, `Home` is
# spelt in several ways, and customers occur twice. Return the table clean: unknown is NaN, each customer
# once, nothing else lost.


# %% exercise="clean"
def clean(table):
    """Return the table without the four defects; homes in lower case, without blanks around."""
    ### BEGIN SOLUTION
    table = table.copy()
    table["Income"] = table.Income.replace(9999999, np.nan)
    table["Age"] = table.Age.abs()
    table["Home"] = table.Home.str.strip().str.lower()
    return table.drop_duplicates()
    ### STUB
    # table = table.copy()
    # ...
    # return table
    ### END SOLUTION


check("clean", clean)

# %% [markdown]
# Missing values may stay if the algorithm takes them (some trees do), go with their rows, or be filled: by
# a mean, a median, a prediction. Extremes pull at a mean, hardly at a median.
#
# ### Fill the gaps (difficulty 2, 6 minutes)
#
# `train` and `new` are incomes, unknown ones NaN. Return two columns for `new`: the income, gaps filled by a
# median; and 1 for a gap, else 0. New rows may come one at a time: whose median?


# %% exercise="fill_gaps"
def fill_gaps(train, new):
    """Return an array of shape (len(new), 2)."""
    ### BEGIN SOLUTION
    gap = np.isnan(new)
    return np.column_stack([np.where(gap, np.nanmedian(train), new), gap])
    ### STUB
    # return np.column_stack([..., ...])
    ### END SOLUTION


check("fill_gaps", fill_gaps)

# %% [markdown] topics="feature-engineering-purpose features-numerical features-domain-specific"
# ## What a model can see
#
# A **feature** is a column made for the model, to show what raw columns hide. Numbers may need *scaling*
# or *normalising* (below), a *logarithm* if they span decades, *polynomials* ($x^2$) for bends,
# *interactions* (products) where one depends on another. The best come from knowing the field: texture in
# medical images, parse trees in language, moving averages in finance.

# %%
points, outer = parts.rings()  # two rings about one centre: which one is a point on?
print(f"best line on the rings: {parts.best_line(points, outer):.2f}")
print(f"with squares: {parts.best_line(np.hstack([points, points**2]), outer):.2f}")
garments = datasets.load_fashion_mnist()
pair = np.isin(garments.train.y, [1, 7])  # trousers and sneakers
pictures, sneaker = garments.train.x[pair] / 25.5, garments.train.y[pair] == 7
texture = np.abs(np.diff(pictures, axis=2))  # from a pixel to the next one
for name, feature in {"brightness": pictures, "texture": texture}.items():
    column = feature.mean(axis=(1, 2))[:, None]
    print(f"sneakers from trousers by {name}: {parts.best_line(column, sneaker):.2f}")

# %% [markdown] topics="features-categorical"
# Categories (**levels**), such as cities, need numbers. **One-hot**: a column of 0 and 1 for each level. **Label
# encoding**: 0, 1, 2; a line then believes in their order. **Embedding**: a learned row of numbers for
# each level (`layers.Embedding`). **Target encoding**: the mean target of the level's training rows; for a
# branch of the bank, its share of bad loans.
#
# Give each loan one of 500 branches *by lot*: it means nothing. Code it by its share of bad loans, and fit a
# line. Its loss on new rows, against no branch at all: (a) the same. (b) Lower. (c) Higher.

# %%
check("predict_branches", "c")  # SOLUTION

# %%
for seed in range(3):
    for name, (on_train, on_new) in parts.coded_branches(seed).items():
        print(f"seed {seed}, {name:16} loss in training {on_train:.2f}, on new rows {on_new:.2f}")
check.reveal("predict_branches")

# %% [markdown]
# <details><summary>After you ran it</summary>
#
# A branch has about five training loans, each with its own outcome in the share: the answer leaks. The line
# trusts the column, and new rows pay. Coded from other rows, it does no harm.
#
# </details>
#
# ### A mean of others (difficulty 3, 9 minutes)
#
# `level`, `y` and `fold` have an entry for each row. Code each row by the mean `y` of the rows with its
# level *in the other folds*. Where there is none, take the mean of all `y` of the other folds.


# %% exercise="target_encode"
def target_encode(level, y, fold):
    """Return a number for each row; the arguments are arrays."""
    ### BEGIN SOLUTION
    code = np.empty(len(y))
    for k in range(len(y)):
        others = fold != fold[k]
        same = others & (level == level[k])
        code[k] = y[same].mean() if same.any() else y[others].mean()
    return code
    ### STUB
    # code = np.empty(len(y))
    # ...
    # return code
    ### END SOLUTION


check("target_encode", target_encode)

# %% [markdown] topics="features-text"
# ## Text
#
# Count words, and "the" wins. **TF-IDF** multiplies the count of a word (tf) by a weight that is small if
# many documents have it. With $N$ documents, $n$ with the word, textbooks say $\ln(N/n)$, Keras's
# `TextVectorization` $\ln(1 + N/(1+n))$, scikit-learn $\ln\frac{1+N}{1+n} + 1$.
#
# **Subwords** stand between characters and words: byte-pair encoding begins with characters, and again
# and again merges the commonest neighbours.

# %%
from sklearn.feature_extraction.text import TfidfVectorizer

vectorizer = TfidfVectorizer(norm=None)
weights = vectorizer.fit_transform(["the cat sat", "the dog sat on the cat", "the bird"]).toarray()
print(vectorizer.get_feature_names_out(), weights.round(2), sep="\n")

words, merges = {"low": 5, "lower": 2, "newest": 6, "widest": 3}, []  # how often each occurs
while len(merges) < 5:
    merges.append(parts.commonest_pair(words, merges))
print("merges", ["+".join(pair) for pair in merges])
print("a word that never occurred:", parts.pieces("lowest", merges))

# %% [markdown]
# ### TF-IDF by hand (difficulty 2, 6 minutes)
#
# `counts` has a row for each document and a column for each word. Return scikit-learn's weights, as
# above (`norm=None`).


# %% exercise="tf_idf"
def tf_idf(counts):
    """Return the weights, of the shape of `counts`."""
    ### BEGIN SOLUTION
    documents_with = (counts > 0).sum(axis=0)
    return counts * (np.log((1 + len(counts)) / (1 + documents_with)) + 1)
    ### STUB
    # return ...
    ### END SOLUTION


check("tf_idf", tf_idf)

# %% [markdown] topics="scale-features-why min-max-normalization z-score-standardization fit-preprocessing-on-train-only"
# ## Columns of like size
#
# **Min-max**: $(x - \min)/(\max - \min)$ goes from 0 to 1. **Standardised**: $(x - \text{mean})/\text{sd}$
# has mean 0 and deviation 1 (`layers.Normalization`). Price a house by area (to 5,642 square feet) and baths
# (to 4). How many steps does descent need? (By formula: nobody could walk so far.) Then a rich
# neighbourhood comes that the line has not seen.

# %%
columns, price = parts.houses()
centred, sd = columns - columns.mean(axis=0), columns.std(axis=0)
to_one = (columns - columns.min(axis=0)) / np.ptp(columns, axis=0)
scaled = {"raw": columns, "centred": centred, "min-max": to_one, "standardised": centred / sd}
for name, version in scaled.items():
    print(f"{name:12} {parts.steps_needed(version, price):>10,} steps")
parts.two_paths(*columns.T, price)
for whose, error in parts.new_neighbourhood().items():
    print(f"new neighbourhood, mean and sd of {whose}: off by {error:.0f} thousand dollars")

# %% [markdown]
# The learning rate must suit the steepest way, and the flat one waits. Centring unties columns from the constant;
# scaling makes the valley round. [[gradient_descent]] has more.
#
# Mean and deviation are learned, like weights: from training rows, then kept. Scaled by its own mean, a rich
# neighbourhood looks like any other, and a single house is always 0.
#
# ### Scale by the training rows (difficulty 2, 5 minutes)
#
# Return `new` standardised, column by column. A column that is constant in `train` is only centred.


# %% exercise="standardise"
def standardise(train, new):
    """Return `new`, scaled; both have a row for each example."""
    ### BEGIN SOLUTION
    sd = train.std(axis=0)
    return (new - train.mean(axis=0)) / np.where(sd == 0, 1, sd)
    ### STUB
    # return ...
    ### END SOLUTION


check("standardise", standardise)

# %% [markdown]
# ## The world elsewhere
#
# Emoji of eight classes, drawn by five vendors. A net that learned 1,000 drawings by Noto names half of
# Noto's new ones. And of Emojione's? (a) As many. (b) Clearly fewer. (c) Hardly any.

# %%
check("predict_vendors", "b")  # SOLUTION

# %% topics="distribution-shift data-representative" tags=["nbval-ignore-output"]
pictures, classes, vendor = parts.emoji("train")
new_pictures, new_classes, new_vendor = parts.emoji("validation")
for learned in ("noto", "all"):
    pool = np.flatnonzero((vendor == learned) | (learned == "all"))
    rows = [np.random.default_rng(seed).permutation(pool)[:1000] for seed in range(5)]
    nets = [parts.emoji_namer(seed) for seed in range(5)]
    fit_many(nets, pictures, classes, rows=rows, epochs=40, verbose=0)
    hits = np.array([np.asarray(net(new_pictures)).argmax(axis=1) == new_classes for net in nets])
    for drawn in ("noto", "emojione"):
        share = hits[:, new_vendor == drawn].mean(axis=1)  # at each of 5 seeds
        print(f"learned {learned:4}, new by {drawn:8} {share.mean():.2f} ± {share.std(ddof=1):.2f}")
check.reveal("predict_vendors")

# %% [markdown]
# <details><summary>After you ran it</summary>
#
# What is used should look like what was learned. As many rows from all vendors win part of it back, at
# little cost for Noto's.
#
# </details>
#
# **Distribution shift**: the inputs change (mails in Spanish), the shares of the labels (more spam), or what
# a label means. Rows that are rarer in training than in use can get more weight; absent rows cannot.
#
# ## Wrong labels can be found
#
# Deal the rows to five **folds**; for each, train a net on the other four. So each row is judged by a net
# that has not seen its label.

# %% topics="finding-wrong-labels" tags=["nbval-ignore-output"]
for kind, n in {"any": 64, "threes": 26}.items():
    for seed in range(2):
        given, wrong = parts.mislabel(y, n, kind, seed)
        fold = np.random.default_rng(seed).integers(0, 5, len(y))
        rows = [np.flatnonzero(fold != k) for k in range(5)] + [np.arange(len(y))]
        nets = [namer(seed, hidden=128) for _ in rows]
        fit_many(nets, x, given, rows=rows, epochs=40, verbose=0)
        says = np.array([np.asarray(net(x)) for net in nets])  # net, row, class
        for name, judge in {"a net that saw them": 5, "the net of other folds": fold}.items():
            chance = says[judge, np.arange(len(y)), given]  # of the given label
            found = np.isin(np.argsort(chance)[:n], wrong).sum()
            print(f"{n} {parts.KINDS[kind]}; among the {n} highest losses by {name}: {found}")

# %% [markdown]
# A net that saw a wrong label may know it by heart. Nets of other folds find nearly all random errors. Of
# errors that agree, both miss many.
#
# ### Whom to ask again (difficulty 2, 5 minutes)
#
# `probabilities` has a row for each example and a column for each class, from nets of other folds;
# `labels` are class numbers. Which `k` rows have the highest loss?


# %% exercise="suspects"
def suspects(probabilities, labels, k):
    """Return the numbers of k rows, in any order."""
    ### BEGIN SOLUTION
    of_label = probabilities[np.arange(len(labels)), labels]
    return np.argsort(of_label)[:k]
    ### STUB
    # return ...
    ### END SOLUTION


check("suspects", suspects)

# %% [markdown]
# ## Right for whom?
#
# A line on all columns refuses as many loans as go bad. Its two errors hurt different people.

# %% topics="responsible-use"
for left_out in ([], ["Age", "Marital"]):
    print("all columns" if not left_out else f"without {' and '.join(left_out)}")
    runs = [parts.refusals(seed, left_out) for seed in range(3)]
    for group in parts.BANDS:
        share, refused, granted = np.transpose([run[group] for run in runs]).round(2)
        print(f"  {group:8} bad {share}, of good ones refused {refused}, of bad granted {granted}")

# %% [markdown]
# At each of three splits, good customers under 30 are refused about twice as often as those over 45, who
# are granted bad loans most often. Leaving age out changes little: other columns tell it. Where shares of
# bad loans differ, only a perfect model has equal error rates *and* scores that mean the same in each group.
# Which should be equal is contested; no data decide it. Count, say whom the model is for, and ask who may
# use such columns.
#
# ### Your decision
#
# Would you have 8,000 more garments labelled? `score`: the validation accuracy that you then expect.

# %% tags=["nbval-ignore-output"] jupyter={"source_hidden": true}
# Safe to skip: trains the running model on 2,000, 4,000 and 8,000 garments.
sizes = (2000, 4000, 8000)
plan = [(size, seed) for size in sizes for seed in range(2)]
nets = [lessons.running_model(seed) for _, seed in plan]
loss_fn = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
for net in nets:
    net.compile("adam", loss_fn)
rows = [np.resize(np.arange(size), 8000) for size, _ in plan]
fit_many(nets, garments.train.x, garments.train.y, rows=rows, epochs=6, batch_size=64, verbose=0)
for (size, seed), net in zip(plan, nets, strict=True):
    hit = net.predict(garments.validation.x, verbose=0).argmax(axis=1) == garments.validation.y
    print(f"{size:,} rows, seed {seed}: validation accuracy {hit.mean():.2f}")

# %%
### BEGIN SOLUTION
check.decide(
    choice="no, not yet",
    because="four times the rows brought a point or two, little more than seeds differ",
    score=0.86,
)
### STUB
# check.decide(choice=..., because=..., score=...)
### END SOLUTION

# %% [markdown]
# ## What you can say now
#
# 1. Errors that agree are learned as the truth; random ones are mostly outvoted.
# 2. A gap may say something: fill it, and mark it.
# 3. A mean, a scale, a code are learned: from training rows, never from a row's own answer.
# 4. A model is good where its data are like its use. Count errors by group.
#
# **The pitfall.** `drop_duplicates` before the spelling is repaired misses copies.
#
# **Break it.** Set `parts.COUNTS = (0, 66, 80)`, run the first experiment again, move its slider.
#
# <details><summary>What happens</summary>
#
# 66 is half of 131: the nets stand between two truths, and each seed decides otherwise.
#
# </details>
#
# [[next]]

# %%
check.quiz()

# %%
check("quiz_1", "b")  # SOLUTION
check("quiz_2", "a")  # SOLUTION
check("quiz_3", "b")  # SOLUTION
check("quiz_4", "a")  # SOLUTION
check("quiz_5", "c")  # SOLUTION

# %%
check.cards()
check.summary()
