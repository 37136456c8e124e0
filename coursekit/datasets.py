"""The data of the course: real, small, shipped with it, checked on every load.

```
from coursekit.datasets import load_fashion_mnist, load_penguins

data = load_fashion_mnist()
data.train.x, data.train.y         # also data.validation, data.test
data.class_names[data.train.y[0]]

data = load_penguins()
data.table[data.target]            # a pandas DataFrame and the name of its target column
```

Images and text come as a `Dataset`: `train`, `validation` and `test`, split once and for all.
Tables come as a `Table`; the two whose rows must not be shuffled come as a `SplitTable`, which
has `train`, `validation` and `test` too. Pixels are uint8 from 0 to 255 (scale them yourself),
labels are int64. In a table an empty cell is a missing value, and nothing else is.

Each call reads its file anew, so what you change in place changes nothing else. A missing or
damaged file raises `DataFileError`. Sources, licences and problems in full: data/README.md.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from coursekit._checks import switch

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "DATA_DIR",
    "SHA256",
    "DataFileError",
    "Dataset",
    "Part",
    "SplitTable",
    "Table",
    "check_files",
    "load_ames",
    "load_animal_shelter",
    "load_brain",
    "load_cifar10",
    "load_credit_data",
    "load_digits",
    "load_emoji32",
    "load_fashion_mnist",
    "load_flights_cancelled",
    "load_mnist",
    "load_penguins",
    "load_shakespeare",
    "load_us_births",
]

DATA_DIR = Path(__file__).parent / "data"  # in an installed package
if not DATA_DIR.is_dir():
    DATA_DIR = Path(__file__).parents[1] / "data"  # in a checkout

SHA256 = {
    "ames.csv.gz": "21ad6998a7fa5ee83d15567011371c1b58d18c8760440bc23f7f47a8212599fd",
    "animal_shelter.csv.gz": "fa4bc6f5e5ab0ad1075465fd33fbbadd8c0cad3f991de6453ecc16bb323e54f1",
    "brain.npz": "fcbe972be6201d193ede32c6c7ce822c8f714b9a5f7ff8e5dc422ccc37cebae9",
    "credit_data.csv.gz": "12dbd90661fefaeb6dcc9b844d2ea005bc95694d0128baf18ab25e2565c0ee1c",
    "emoji32.npz": "474bcb828beba52a3c800cb0a4cd249cdc68e6c9dd9e88a1fe41240c85768e35",
    "fashion_mnist.npz": "09bf089841498bae56b9fd8ddf91f6efac44b00bda52555e533851763016d326",
    "flights_cancelled.csv.gz": "c3bdbd2cb26ea172fd616b57dc28c9e188879e6fdd17fc724887bd3791439790",
    "mnist.npz": "e80df6b8b587681511e01cb4a8f61bf06d6b7f89272e3babfadbec7b79c20cd8",
    "penguins.csv.gz": "cad75382120356dcf1dd7258a2e9a003242b194ce89ea96668c7e22459d5633f",
    "shakespeare.txt.gz": "ca6510c15f0db7cf0d4aa8fe60eb71b9a7a16fe6a0529ac0f6a02a3064c99950",
    "us_births.csv.gz": "b00d675d37dc0d5dfc34413fd8df9345fb807c4d0b03ab4353a35e386476d61b",
}

PARTS = ("train", "validation", "test")
DIGITS = "0123456789"
GARMENTS = "T-shirt/top, Trouser, Pullover, Dress, Coat, Sandal, Shirt, Sneaker, Bag, Ankle boot"
CIFAR10 = "airplane, automobile, bird, cat, deer, dog, frog, horse, ship, truck"


class DataFileError(OSError):
    """A shipped data file is missing, unreadable or not the one it should be."""


# What a loader returns ------------------------------------------------------------------------


def _brief(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {_brief(item)}" for key, item in value.items()) + "}"
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape}"
    if hasattr(value, "columns"):
        return f"DataFrame {value.shape}"
    if isinstance(value, str) and len(value) > 40:
        return f"str of {len(value):,} characters"
    return repr(value)


class _Brief:
    """A `repr` with the shape of each field instead of its rows."""

    def __repr__(self) -> str:
        shown = [f"{item.name}={_brief(getattr(self, item.name))}" for item in fields(self)]  # type: ignore[arg-type]
        return f"{type(self).__name__}({', '.join(shown)})"


@dataclass(frozen=True, eq=False, repr=False)
class Part(_Brief):
    """Inputs and targets, row by row.

    `groups` holds what ties rows together, one value a row, by name: keep a group whole when you
    split further (scikit-learn's `GroupKFold`). It is empty where rows are independent.
    """

    x: np.ndarray
    y: np.ndarray
    groups: dict[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True, eq=False, repr=False)
class Dataset(_Brief):
    """A set with a fixed split: each part a `Part`, or a `str` where the set is a text."""

    train: Any
    validation: Any
    test: Any
    class_names: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class Table(_Brief):
    """A table and its target column, without a fixed split: cross-validate it, or divide it."""

    table: pd.DataFrame
    target: str

    def __getattr__(self, name: str):
        message = f"{type(self).__name__!r} object has no attribute {name!r}"
        if name in PARTS:
            message += (
                ": this table has no fixed split; divide `table` yourself, for example with "
                "sklearn.model_selection"
            )
        raise AttributeError(message)


@dataclass(frozen=True, eq=False, repr=False)
class SplitTable(Table):
    """A table with a fixed split: the parts are copies of its rows."""

    train: pd.DataFrame
    validation: pd.DataFrame
    test: pd.DataFrame


# Reading and splitting ------------------------------------------------------------------------


def _read(name: str) -> bytes:
    """Returns the content of a data file, having compared its checksum."""
    way_out = f"Restore it with `git checkout -- data/{name}`, or reinstall the package."
    try:
        content = (DATA_DIR / name).read_bytes()
    except OSError as error:
        if not DATA_DIR.exists():
            way_out = "A wheel of the package alone has no data: install the full one."
        raise DataFileError(
            f"The data file {name} is missing or cannot be read. Expected: sha256 {SHA256[name]}. "
            f"Received: {error.strerror or error} in {DATA_DIR}. {way_out}"
        ) from None
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256[name]:
        raise DataFileError(
            f"The data file {name} is damaged. Expected: sha256 {SHA256[name]}. "
            f"Received: sha256 {found}, {len(content):,} bytes in {DATA_DIR}. {way_out}"
        )
    return content


def check_files() -> list[str]:
    """Checks that every shipped file is there and whole.

    Returns:
        A message for each problem, with the way out; an empty list when all is well.

    Example:
        >>> check_files()
        []
    """
    problems = []
    for name in SHA256:
        try:
            _read(name)
        except DataFileError as error:
            problems.append(str(error))
    return problems


def _arrays(name: str) -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(_read(name)), allow_pickle=False) as file:
        return dict(file)


def _frame(name: str) -> pd.DataFrame:
    import pandas as pd  # here, because the import takes longer than loading every file

    # By default pandas also reads "None", a level in two columns of `load_ames`, as missing.
    content = io.BytesIO(_read(name))
    return pd.read_csv(content, compression="gzip", keep_default_na=False, na_values=[""])


def _pairs(name: str) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """Returns (x, y) of the training and of the test file, as `keras.datasets` does."""
    file = _arrays(name)
    return tuple((file[f"x_{part}"], file[f"y_{part}"]) for part in ("train", "test"))


def _hold_out(rows: int, train, test, class_names: Iterable[str]) -> Dataset:
    """Makes the last `rows` of `train` the validation part; `train` and `test` are (x, y)."""
    x, y = train
    pairs = (x[:-rows], y[:-rows]), (x[-rows:], y[-rows:]), test
    parts = [Part(x, y.astype("int64")) for x, y in pairs]
    return Dataset(parts[0], parts[1], parts[2], tuple(class_names))


def _split(part: np.ndarray, x, y, class_names: Iterable[str], **groups) -> Dataset:
    """Divides rows by `part`, the name of the part of each row."""

    def rows(here):
        return Part(x[here], y[here].astype("int64"), {k: v[here] for k, v in groups.items()})

    first, second, third = (rows(part == name) for name in PARTS)
    return Dataset(first, second, third, tuple(class_names))


def _split_table(part: np.ndarray, table: pd.DataFrame, target: str) -> SplitTable:
    parts = (table[part == name].reset_index(drop=True) for name in PARTS)
    return SplitTable(table, target, *parts)


def _pile(keys) -> np.ndarray:
    """Deals keys into six piles, as if at random, and the same everywhere for ever."""
    return np.array([zlib.crc32(key.encode()) % 6 for key in keys])


# Images ---------------------------------------------------------------------------------------


def load_fashion_mnist() -> Dataset:
    """Loads 12,000 grey photographs of garments in ten classes, from Fashion-MNIST.

    `x` is uint8 of shape (n, 28, 28), light on black. 8,000 rows train, 2,000 validate (the last
    of the training file), 2,000 test (from the original test file, 200 a class). Shirts look
    like T-shirts, pullovers and coats, to people too.

    Licence: MIT. Reference: Xiao, Rasul and Vollgraf 2017, arXiv:1708.07747.

    Example:
        >>> load_fashion_mnist().train
        Part(x=uint8 (8000, 28, 28), y=int64 (8000,), groups={})
    """
    train, test = _pairs("fashion_mnist.npz")
    return _hold_out(2000, train, test, GARMENTS.split(", "))


def load_mnist() -> Dataset:
    """Loads 6,000 grey images of handwritten digits, from MNIST.

    `x` is uint8 of shape (n, 28, 28), light on black. 4,000 rows train, 1,000 validate (the last
    of the training file), 1,000 test (100 a digit). The split is random: its source tells
    neither the writers nor MNIST's own test rows.

    Licence: MIT (the package); MNIST itself CC-BY-SA-3.0, as far as known. Reference: LeCun,
    Bottou, Bengio and Haffner 1998, doi:10.1109/5.726791.

    Example:
        >>> load_mnist().test
        Part(x=uint8 (1000, 28, 28), y=int64 (1000,), groups={})
    """
    train, test = _pairs("mnist.npz")
    return _hold_out(1000, train, test, DIGITS)


def load_digits() -> Dataset:
    """Loads scikit-learn's 1,797 handwritten digits of 8 by 8 pixels, split by writer.

    `x` is float32 of shape (n, 8, 8), scaled here from 0..16 to 0..1. Writers 0 to 9 train
    (1,287 rows), 10 and 11 validate (258), 12 and 13 test (252), with each digit equally often
    in a part, up to 4 rows. Shuffled rows put every writer on both sides and flatter a model.
    `groups["writer"]` is inferred: the same sequence of 130 digits, with gaps, comes 14 times.

    Licence: BSD-3-Clause (scikit-learn); the data CC-BY-4.0, as far as known. Reference:
    Alpaydin and Kaynak 1998, doi:10.24432/C50P49.

    Example:
        >>> load_digits().test
        Part(x=float32 (252, 8, 8), y=int64 (252,), groups={'writer': int64 (252,)})
    """
    from sklearn.datasets import load_digits as bundled

    file = bundled()
    first_rows = (130, 256, 386, 516, 646, 776, 906, 1029, 1157, 1287, 1415, 1545, 1667)
    writer = np.searchsorted(first_rows, np.arange(len(file.target)), side="right")
    part = np.repeat(PARTS, (10, 2, 2))[writer]
    return _split(part, (file.images / 16).astype("float32"), file.target, DIGITS, writer=writer)


def load_emoji32() -> Dataset:
    """Loads 7,080 colour drawings of 1,643 emoji in eight classes, by five vendors.

    `x` is uint8 of shape (n, 32, 32, 3), on white. Classes have 379 (activities) to 1,399 rows
    (people-body). Each emoji comes from up to five vendors, so images dealt at random leak. The
    split is by emoji, `groups["code"]`: 4,729 rows train, 977 validate, 1,374 test (the file's
    `test` flag). `groups["vendor"]` names the vendor. Drawings, not photographs.

    Licence: Apache-2.0 AND CC-BY-4.0 AND MIT, by vendor. Reference: data/README.md names the
    five collections.

    Example:
        >>> data = load_emoji32()
        >>> set(data.train.groups["code"]) & set(data.test.groups["code"])
        set()
    """
    file = _arrays("emoji32.npz")
    code, vendor = file["code"], file["vendor_names"][file["vendor"]]
    part = np.select([file["test"], _pile(code) == 0], ["test", "validation"], "train")
    names = file["class_names"].tolist()
    return _split(part, file["x"], file["y"], names, code=code, vendor=vendor)


def load_cifar10(download: bool = False) -> Dataset:
    """Loads CIFAR-10 from the network, or without it a stand-in of the same image shape.

    CIFAR-10 was published without a licence and is not shipped. By default you get
    `load_emoji32()` and a printed sentence that says so: no output depends on the network.

    Reference: Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images.

    Args:
        download: fetch CIFAR-10 through `keras.datasets` (170 MB, once; Keras compares the
            archive's checksum, then unpickles it). `x` is uint8 of shape (n, 32, 32, 3);
            45,000 rows train, 5,000 validate (the last of the training file), 10,000 test.

    Raises:
        ValueError: `download` is neither True nor False.
        ConnectionError: CIFAR-10 could not be fetched.

    Example:
        >>> data = load_cifar10()  # doctest: +ELLIPSIS
        This is not CIFAR-10 but its offline stand-in, ...
    """
    download = switch("download", download)
    if not download:
        print(
            "This is not CIFAR-10 but its offline stand-in, 7,080 colour emoji in 8 classes; "
            "load_cifar10(download=True) fetches the photographs."
        )
        return load_emoji32()
    from keras.datasets import cifar10

    try:
        train, test = ((x, y.reshape(-1)) for x, y in cifar10.load_data())
    except Exception as error:  # what Keras raises when a download fails
        raise ConnectionError(
            f"CIFAR-10 could not be fetched. Received: {error}. Check the network and try again, "
            "or take the offline stand-in: load_cifar10()."
        ) from None
    return _hold_out(5000, train, test, CIFAR10.split(", "))


def load_brain() -> Dataset:
    """Loads 128 slices of a magnetic resonance image of one head, with a mask of the brain.

    `x` is uint8 of shape (n, 104, 88): T1-weighted axial slices 1 mm apart, bottom first, pixels
    of 2 mm. `y`, of the same shape, is 1 on the brain (36.8 % of all pixels) and 0 elsewhere; a
    program (BET) drew it. Neighbouring slices are near-copies, so blocks of 16 stay whole:
    32..63 test, 64..79 validate, the other 80 train. Even so, the nearest training slice's mask
    has an IoU of 0.90 with the test part: that is the score to beat. `groups` has "slice" and
    "block".

    Licence: BSD-3-Clause. Reference: Holmes et al. 1998, doi:10.1097/00004728-199803000-00032,
    as far as known.

    Example:
        >>> data = load_brain()
        >>> data.train.x.shape, data.train.y.shape
        ((80, 104, 88), (80, 104, 88))
    """
    file = _arrays("brain.npz")
    mask = np.unpackbits(file["mask"], axis=-1)
    number = np.arange(len(mask))
    block = number // 16
    part = np.repeat(["train", "test", "validation", "train"], [2, 2, 1, 3])[block]
    return _split(part, file["image"], mask, ("background", "brain"), slice=number, block=block)


# Tables ---------------------------------------------------------------------------------------


def load_ames() -> Table:
    """Loads 2,930 house sales in Ames, Iowa, 2006 to 2010: 74 columns, price in US dollars.

    Areas are in square feet. No cell is empty, which hides the gaps: `Lot_Frontage` is 0 where
    it is unknown (490 rows), and "None" is a level of `Mas_Vnr_Type` and `Misc_Feature`.
    `BsmtFin_SF_1` holds a code for `BsmtFin_Type_1`, not an area. Three unfinished houses above
    4,600 square feet sold far below the line.

    Licence: MIT (the package). Reference: De Cock 2011, doi:10.1080/10691898.2011.11889627.

    Example:
        >>> load_ames()
        Table(table=DataFrame (2930, 74), target='Sale_Price')
    """
    return Table(_frame("ames.csv.gz"), "Sale_Price")


def load_penguins() -> Table:
    """Loads 344 penguins of three species: 8 columns, lengths in mm, body mass in g.

    152 Adelie, 124 Gentoo, 68 Chinstrap. The four sizes are missing for 2 birds, the sex for 11.
    Gentoos and Chinstraps live on one island each, so `island` tells much of the species.

    Licence: CC0-1.0. Reference: Gorman, Williams and Fraser 2014,
    doi:10.1371/journal.pone.0090081.

    Example:
        >>> load_penguins()
        Table(table=DataFrame (344, 8), target='species')
    """
    return Table(_frame("penguins.csv.gz"), "species")


def load_flights_cancelled() -> SplitTable:
    """Loads 30,000 flights from New York in 2013: 18 columns, 2.47 % of the flights cancelled.

    `hour` and `minute` are the scheduled departure, `distance` is in miles. Weather at the
    origin in that hour: `temp` and `dewp` in degrees Fahrenheit, `humid` in %, `wind_dir` in
    degrees, `wind_speed` and `wind_gust` in mph (76 % of gusts missing), `precip` in inches,
    `pressure` in millibars, `visib` in miles. Storms cancel flights by the dozen, so days stay
    whole: 238 train (19,376 rows), 58 validate (4,920), 69 test (5,704).

    Licence: CC0-1.0. Reference: R package nycflights13; US Department of Transportation and
    NOAA, 2013.

    Example:
        >>> data = load_flights_cancelled()
        >>> f"{data.table[data.target].mean():.2%}"
        '2.47%'
    """
    table = _frame("flights_cancelled.csv.gz")
    days = [f"{month:02d}-{day:02d}" for month, day in zip(table.month, table.day, strict=True)]
    part = np.repeat(["test", "validation", "train"], [1, 1, 4])[_pile(days)]
    return _split_table(part, table, "cancelled")


def load_us_births() -> SplitTable:
    """Loads births a day in the United States, 1969 to 1988: 7,305 days, none missing.

    `date` is a timestamp made of `year`, `month` and `date_of_month`; `day_of_week` is 1 on
    Monday and 7 on Sunday. Weekends and holidays are low; the level sinks from 1970 to 1973 and
    rises from 1977. The split is by time: 1969 to 1984 train (5,844 days), 1985 and 1986
    validate (730), 1987 and 1988 test (731).

    Licence: PDDL-1.0 AND CC0-1.0. Reference: US National Center for Health Statistics, natality
    files.

    Example:
        >>> data = load_us_births()
        >>> print(data.train["date"].max().date(), data.test["date"].min().date())
        1984-12-31 1987-01-01
    """
    import pandas as pd

    table = _frame("us_births.csv.gz")
    date = table[["year", "month", "date_of_month"]].rename(columns={"date_of_month": "day"})
    table.insert(0, "date", pd.to_datetime(date))
    part = np.select([table.year < 1985, table.year < 1987], ["train", "validation"], "test")
    return _split_table(part, table, "births")


def load_animal_shelter() -> Table:
    """Loads 29,611 stays at Long Beach's animal shelter, 2017 to 2024, uncleaned: 19 columns.

    Gaps in nine columns, births after the intake (129), dates as text, a constant column, a
    duplicated row, a misspelt level. 1,036 stays repeat an `Animal ID`: keep an animal whole.
    `Outcome Date`, `Outcome Subtype`, `outcome_is_dead` and `was_outcome_alive` are known only
    with the target: drop them. 18 % of the stays end in euthanasia; write of it with care.

    Licence: MIT (the package). Reference: City of Long Beach, open data, as far as known.

    Example:
        >>> load_animal_shelter()
        Table(table=DataFrame (29611, 19), target='Outcome Type')
    """
    return Table(_frame("animal_shelter.csv.gz"), "Outcome Type")


def load_credit_data() -> Table:
    """Loads 4,454 loans, 28.2 % of them bad: 14 columns, 455 missing cells.

    `Seniority` and `Age` are in years, `Time` in months, as far as known; the currency is not
    given. `Income` is missing most often (381 rows); two rows occur twice. That a model can use
    age and marital status does not mean that it may.

    Licence: MIT. Reference: R package modeldata.

    Example:
        >>> load_credit_data().table["Status"].value_counts().to_dict()
        {'good': 3200, 'bad': 1254}
    """
    return Table(_frame("credit_data.csv.gz"), "Status")


# Text -----------------------------------------------------------------------------------------


def load_shakespeare() -> Dataset:
    r"""Loads eight plays by Shakespeare as text: 1,036,482 characters, 76 symbols.

    Lines end in "\n". The split is by play: Hamlet, Macbeth, Romeo and Juliet, A Midsummer
    Night's Dream, The Tempest and Othello train (768,341 characters), King Lear validates
    (151,924), Julius Caesar tests (116,217). The parts add up to the whole text, and the
    training part has every symbol.

    Licence: CC-BY-2.5. Reference: Open Knowledge Foundation, Python package shakespeare 0.6.

    Example:
        >>> data = load_shakespeare()
        >>> data.test[:13], len(data.train + data.validation + data.test)
        ('JULIUS CAESAR', 1036482)
    """
    text = gzip.decompress(_read("shakespeare.txt.gz")).decode()
    lear = text.index("THE TRAGEDY OF KING LEAR\n")
    caesar = text.index("JULIUS CAESAR\n", lear)
    return Dataset(text[:lear], text[lear:caesar], text[caesar:])
