"""Text: synonyms in place of words, synonyms put in, words left out."""

import re

import numpy as np

from coursekit._checks import brief, is_int, number

# Groups of words that can stand for one another in most sentences.
GROUPS = """
amusing funny humorous
angry cross furious
answer reply response
bad awful poor terrible
begin start
big large huge
boring dull tedious
brave bold courageous
buy purchase
calm peaceful quiet
car automobile
child kid
choose pick select
clever smart bright
cold chilly
end finish
error fault mistake
famous renowned
fast quick rapid
film movie
gift present
glad happy pleased
good great fine excellent
hard difficult
help assist aid
house home
idea thought notion
important significant
job task
journey trip
keep retain
main chief principal
new recent
odd strange weird
often frequently
old ancient
piece part portion
pretty beautiful lovely
rarely seldom
rich wealthy
road street
sad unhappy
see watch
shop store
shout yell
show display
simple easy plain
sleepy drowsy tired
slow sluggish
small little tiny
sort kind type
speak talk
sure certain
very really
whole entire
wonderful marvellous superb
wrong incorrect
"""
SYNONYMS = {
    word: tuple(other for other in line.split() if other != word)
    for line in GROUPS.split("\n")
    for word in line.split()
}


def replace_synonyms(text: str, seed: int | np.random.Generator, share: float = 0.1) -> str:
    """Put a synonym in the place of some words.

    Args:
        text: words, separated by blanks. Capitals and punctuation around a word stay;
            an "a" does not become "an".
        seed: an integer, or a `numpy.random.Generator`.
        share: how many of all words to replace, above 0 to 1; at least one. Defaults to 0.1.

    Returns:
        As many words. A text without a word of `SYNONYMS` comes back as it is.

    Example:
        >>> replace_synonyms("A very good film.", seed=0, share=0.5)
        'A really good movie.'

    References:
        Wei and Zou, EDA: Easy data augmentation techniques, arXiv 1901.11196.
    """
    words, rng = _words_and_draws(text, seed)
    known = [k for k, word in enumerate(words) if _core(word) in SYNONYMS]
    count = min(len(known), _count(share, words))
    for k in rng.permutation(known)[:count] if known else []:
        words[k] = _synonym(words[k], rng)
    return " ".join(words)


def insert_synonyms(text: str, seed: int | np.random.Generator, share: float = 0.1) -> str:
    """Put synonyms of some words in at random places.

    Args:
        text: words, separated by blanks.
        seed: an integer, or a `numpy.random.Generator`.
        share: how many words to put in for each word of the text, above 0 to 1; at least one.
            Defaults to 0.1.

    Returns:
        A longer text. A text without a word of `SYNONYMS` comes back as it is.

    Example:
        >>> insert_synonyms("a very good film", seed=0)
        'a very good movie film'
    """
    words, rng = _words_and_draws(text, seed)
    known = [_core(word) for word in words if _core(word) in SYNONYMS]
    count = _count(share, words)
    for _ in range(count if known else 0):
        synonym = _synonym(known[rng.integers(len(known))], rng)
        words.insert(int(rng.integers(len(words) + 1)), synonym)
    return " ".join(words)


def delete_words(text: str, seed: int | np.random.Generator, share: float = 0.1) -> str:
    """Leave out some words, never the last one left.

    Args:
        text: words, separated by blanks.
        seed: an integer, or a `numpy.random.Generator`.
        share: how many of all words to leave out, above 0 to 1; at least one. Defaults to 0.1.

    Returns:
        A shorter text, of at least one word. "not" goes as easily as "the": look at what is left.

    Example:
        >>> delete_words("not a very good film", seed=0, share=0.4)
        'not a good'
    """
    words, rng = _words_and_draws(text, seed)
    count = min(len(words) - 1, _count(share, words))
    gone = set(rng.permutation(len(words))[:count].tolist())
    return " ".join(word for k, word in enumerate(words) if k not in gone)


def _words_and_draws(text, seed):
    """Return the words of a text and a generator of random numbers."""
    if not isinstance(text, str):
        raise TypeError(f"`text` must be one string. Received: text={brief(text)}")
    if not isinstance(seed, np.random.Generator) and (not is_int(seed) or seed < 0):
        raise ValueError(
            "`seed` must be an integer of at least 0 or a numpy.random.Generator. "
            f"Received: seed={brief(seed)}"
        )
    return text.split(" "), np.random.default_rng(seed)


def _count(share, words) -> int:
    return max(1, round(number("share", share, above=0, most=1) * len(words)))


def _core(word: str) -> str:
    """Return the word as `SYNONYMS` writes it."""
    return re.sub(r"^\W+|\W+$", "", word).lower()


def _synonym(word: str, rng) -> str:
    """Return a synonym in the same capitals, between the same punctuation."""
    core = _core(word)
    synonym = str(rng.choice(SYNONYMS[core]))
    place = word.lower().index(core)
    inside = word[place : place + len(core)]
    if inside.isupper() and len(inside) > 1:
        synonym = synonym.upper()
    elif inside[0].isupper():
        synonym = synonym.capitalize()
    return word[:place] + synonym + word[place + len(core) :]
