"""Text: as many words change as were asked, the others stay, capitals and points with them."""

import collections

import numpy as np
import pytest

from coursekit.augmentation import SYNONYMS, delete_words, insert_synonyms, replace_synonyms
from coursekit.augmentation._text import GROUPS

TEXT = "The very good film shows a small child on a long journey to an old house."


def changed(before, after):
    pairs = zip(before.split(" "), after.split(" "), strict=True)
    return [(a, b) for a, b in pairs if a != b]


def test_the_list_is_small_and_every_word_stands_once():
    words = GROUPS.split()
    twice = [word for word, count in collections.Counter(words).items() if count > 1]
    assert not twice and len(words) < 200
    assert all(a in SYNONYMS[b] for a in SYNONYMS for b in SYNONYMS[a])
    assert all(word.isalpha() and word.islower() for word in words)


@pytest.mark.parametrize("share, count", [(0.01, 1), (0.2, 3), (1.0, 8)])
def test_replacing(share, count):
    for seed in range(5):
        pairs = changed(TEXT, replace_synonyms(TEXT, seed, share))
        assert len(pairs) == count
        for old, new in pairs:
            assert new.strip(".").lower() in SYNONYMS[old.strip(".").lower()]


def test_capitals_and_punctuation_stay():
    assert replace_synonyms('"Good!"', 0)[:2] in ('"G', '"F', '"E')
    assert replace_synonyms('"Good!"', 0)[-2:] == '!"'
    assert replace_synonyms("(MOVIE)", 0) == "(FILM)"
    assert replace_synonyms("movie,", 0) == "film,"


@pytest.mark.parametrize("share, count", [(0.01, 1), (0.2, 3)])
def test_inserting(share, count):
    words = TEXT.split(" ")
    for seed in range(5):
        after = insert_synonyms(TEXT, seed, share).split(" ")
        assert len(after) == len(words) + count
        new = list((collections.Counter(after) - collections.Counter(words)).elements())
        known = {s for word in words for s in SYNONYMS.get(word.strip(".").lower(), ())}
        assert len(new) == count and {w.strip(".").lower() for w in new} <= known
        rest = iter(after)
        assert all(word in rest for word in words)  # the old ones, in their order


@pytest.mark.parametrize("share, count", [(0.01, 1), (0.2, 3), (1.0, 15)])
def test_deleting(share, count):
    words = TEXT.split(" ")
    for seed in range(5):
        after = delete_words(TEXT, seed, share).split(" ")
        assert len(after) == len(words) - min(count, len(words) - 1)
        rest = iter(words)
        assert all(word in rest for word in after)
    assert delete_words("alone", 0, 1.0) == "alone"


@pytest.mark.parametrize("change", [replace_synonyms, insert_synonyms, delete_words])
def test_seeds(change):
    outcomes = {change(TEXT, seed, 0.2) for seed in range(20)}
    assert len(outcomes) > 10 and change(TEXT, 3, 0.2) == change(TEXT, 3, 0.2)
    rng = np.random.default_rng(0)
    assert change(TEXT, rng, 0.2) != change(TEXT, rng, 0.2)
    for share in (0, 1.5, float("nan"), True, "all"):
        for text in (TEXT, ""):
            with pytest.raises(ValueError, match="`share` must be a number above 0 and at most 1"):
                change(text, 0, share)
    for seed in (True, -1, None, 1.0):
        with pytest.raises(ValueError, match=f"`seed` must be .* seed={seed}"):
            change(TEXT, seed)
    with pytest.raises(TypeError, match=r"`text` must be one string\. Received: text=None"):
        change(None, 0)


@pytest.mark.parametrize("change", [replace_synonyms, insert_synonyms])
def test_unknown_words_stay(change):
    assert change("colourless ideas", 0) == "colourless ideas" and change("", 0) == ""
