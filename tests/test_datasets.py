import hashlib
import re
import urllib.error

import numpy as np
import pandas as pd
import pytest

from coursekit import datasets
from coursekit.datasets import PARTS, DataFileError, Dataset, Part, SplitTable, Table

SHIPPED = datasets.DATA_DIR
CARD = (SHIPPED / "README.md").read_text(encoding="utf-8")

# loader -> x shape of one row, dtype of x, rows of train, validation, test, classes
IMAGES = {
    "load_fashion_mnist": ((28, 28), "uint8", (8000, 2000, 2000), 10),
    "load_mnist": ((28, 28), "uint8", (4000, 1000, 1000), 10),
    "load_digits": ((8, 8), "float32", (1287, 258, 252), 10),
    "load_emoji32": ((32, 32, 3), "uint8", (4729, 977, 1374), 8),
    "load_brain": ((104, 88), "uint8", (80, 16, 32), 2),
}
# loader -> shape of the table, target
TABLES = {
    "load_ames": ((2930, 74), "Sale_Price"),
    "load_penguins": ((344, 8), "species"),
    "load_flights_cancelled": ((30000, 18), "cancelled"),
    "load_us_births": ((7305, 6), "births"),
    "load_animal_shelter": ((29611, 19), "Outcome Type"),
    "load_credit_data": ((4454, 14), "Status"),
}
# file -> its loader, for every shipped file
LOADERS = {name: f"load_{name.split('.')[0]}" for name in datasets.SHA256}


def load(name):
    return getattr(datasets, name)()


def parts(data):
    return [getattr(data, name) for name in PARTS]


@pytest.fixture
def data_dir(tmp_path, monkeypatch):
    """An empty folder in the place of data/."""
    monkeypatch.setattr(datasets, "DATA_DIR", tmp_path)
    return tmp_path


# Shapes, types, classes -----------------------------------------------------------------------


@pytest.mark.parametrize("name", IMAGES)
def test_images_have_the_documented_shapes_types_and_classes(name):
    shape, dtype, rows, classes = IMAGES[name]
    data = load(name)
    assert type(data) is Dataset
    assert len(data.class_names) == classes
    assert all(type(class_name) is str for class_name in data.class_names)
    assert tuple(len(part) for part in parts(data)) == rows
    for part in parts(data):
        assert type(part) is Part
        assert part.x.shape == (len(part), *shape)
        assert part.x.dtype == dtype
        assert part.y.dtype == "int64"
        assert part.y.shape == (part.x.shape if name == "load_brain" else (len(part),))
        assert set(np.unique(part.y)) == set(range(classes))  # every part has every class
        assert all(len(group) == len(part) for group in part.groups.values())
    top = 1 if dtype == "float32" else 255
    if name != "load_brain":
        assert (data.train.x.min(), data.train.x.max()) == (0, top)


@pytest.mark.parametrize("name", TABLES)
def test_tables_have_the_documented_shape_and_target(name):
    shape, target = TABLES[name]
    data = load(name)
    assert isinstance(data, Table)
    assert isinstance(data.table, pd.DataFrame)
    assert data.table.shape == shape
    assert data.target == target
    assert data.target in data.table


@pytest.mark.parametrize("name", [*IMAGES, *TABLES, "load_shakespeare", "load_cifar10"])
def test_a_set_shows_its_shapes_and_not_its_rows(name):
    assert len(repr(load(name))) < 700


def test_each_class_has_its_name():
    data = datasets.load_fashion_mnist()
    assert data.class_names == (
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    )
    # Trousers are tall and narrow, bags wide: the names are not shifted.
    width = [(data.test.x[data.test.y == c] > 50).any(axis=1).sum(axis=1).mean() for c in (1, 8)]
    assert width[0] < 16 < 24 < width[1]
    assert datasets.load_mnist().class_names == datasets.load_digits().class_names
    assert datasets.load_mnist().class_names == tuple("0123456789")


# Splits ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["load_fashion_mnist", "load_mnist", "load_emoji32"])
def test_no_image_is_in_two_parts(name):
    images = [{image.tobytes() for image in part.x} for part in parts(load(name))]
    assert len(set.union(*images)) == sum(IMAGES[name][2])


@pytest.mark.parametrize(("name", "rows"), [("fashion_mnist", 2000), ("mnist", 1000)])
def test_validation_is_the_end_of_the_training_file_and_test_the_test_file(name, rows):
    data, file = load(f"load_{name}"), datasets._arrays(f"{name}.npz")
    np.testing.assert_array_equal(
        np.concatenate([data.train.x, data.validation.x]), file["x_train"]
    )
    np.testing.assert_array_equal(data.validation.y, file["y_train"][-rows:])
    np.testing.assert_array_equal(data.test.x, file["x_test"])
    np.testing.assert_array_equal(data.test.y, file["y_test"])


@pytest.mark.parametrize(
    ("name", "group", "count"),
    [
        ("load_emoji32", "code", (1092, 223, 328)),
        ("load_digits", "writer", (10, 2, 2)),
        ("load_brain", "block", (5, 1, 2)),
        ("load_brain", "slice", (80, 16, 32)),
    ],
)
def test_groups_stay_whole(name, group, count):
    groups = [set(part.groups[group]) for part in parts(load(name))]
    assert tuple(map(len, groups)) == count
    assert len(set.union(*groups)) == sum(count)


def test_emoji_split_keeps_the_test_flag_of_the_file():
    data, file = datasets.load_emoji32(), datasets._arrays("emoji32.npz")
    np.testing.assert_array_equal(data.test.x, file["x"][file["test"]])
    np.testing.assert_array_equal(data.test.y, file["y"][file["test"]])
    np.testing.assert_array_equal(data.test.groups["code"], file["code"][file["test"]])
    assert set(data.train.groups["vendor"]) == set(file["vendor_names"])


def test_digits_are_scikit_learns_in_order_and_balanced():
    from sklearn.datasets import load_digits

    data, file = datasets.load_digits(), load_digits()
    np.testing.assert_array_equal(np.concatenate([p.x for p in parts(data)]), file.images / 16)
    np.testing.assert_array_equal(np.concatenate([p.y for p in parts(data)]), file.target)
    writer = np.concatenate([part.groups["writer"] for part in parts(data)])
    form = file.target[:130]  # every writer was asked for the same digits in the same order
    asked = np.where(np.arange(1797) == 385, 8, file.target)  # the one row labelled otherwise
    for number in range(14):
        remaining = iter(form)
        assert all(digit in remaining for digit in asked[writer == number])
    for part in parts(data):
        assert np.ptp(np.bincount(part.y)) <= 4


def test_brain_mask_is_unpacked_beside_its_slice():
    data, file = datasets.load_brain(), datasets._arrays("brain.npz")
    for part in parts(data):
        slices = part.groups["slice"]
        assert np.all(np.diff(slices) > 0)
        np.testing.assert_array_equal(part.groups["block"], slices // 16)
        np.testing.assert_array_equal(part.x, file["image"][slices])
        np.testing.assert_array_equal(np.packbits(part.y, axis=-1), file["mask"][slices])
        # The mask lies on the head: what it covers is bright, pixel for pixel.
        assert np.mean(part.x[part.y == 1] > 30) > 0.98
    assert set(data.test.groups["block"]) == {2, 3}
    assert set(data.validation.groups["block"]) == {4}


def test_flights_keep_each_day_whole():
    data = datasets.load_flights_cancelled()
    days = [set(zip(part.month, part.day, strict=True)) for part in parts(data)]
    assert tuple(map(len, days)) == (238, 58, 69)
    assert len(set.union(*days)) == 365
    assert tuple(map(len, parts(data))) == (19376, 4920, 5704)
    assert [int(part.cancelled.sum()) for part in parts(data)] == [470, 138, 132]


def test_births_are_split_by_time():
    data = datasets.load_us_births()
    assert pd.api.types.is_datetime64_any_dtype(data.table["date"])
    whole = pd.concat(parts(data), ignore_index=True)
    pd.testing.assert_frame_equal(whole, data.table)
    expected = pd.date_range("1969-01-01", "1988-12-31", freq="D")
    assert list(whole["date"]) == list(expected)
    assert list(whole["day_of_week"]) == list(expected.day_of_week + 1)
    assert [part["date"].dt.year.unique().tolist() for part in parts(data)] == [
        list(range(1969, 1985)),
        [1985, 1986],
        [1987, 1988],
    ]


@pytest.mark.parametrize("name", ["load_flights_cancelled", "load_us_births"])
def test_a_split_table_is_its_table_divided(name):
    data = load(name)
    assert type(data) is SplitTable
    assert sum(map(len, parts(data))) == len(data.table)
    for part in parts(data):
        assert list(part.index) == list(range(len(part)))
    columns = list(data.table)
    whole = pd.concat(parts(data)).sort_values(columns, ignore_index=True)
    pd.testing.assert_frame_equal(whole, data.table.sort_values(columns, ignore_index=True))


def test_shakespeare_is_split_by_play():
    data = datasets.load_shakespeare()
    starts = ["HAMLET, PRINCE", "THE TRAGEDY OF KING LEAR", "JULIUS CAESAR"]
    for part, start in zip(parts(data), starts, strict=True):
        assert part.startswith(start)
    assert [part.count("by William Shakespeare\n") for part in parts(data)] == [6, 1, 1]
    text = "".join(parts(data))
    assert (len(text), len(set(text)), text.isascii(), "\r" in text) == (1036482, 76, True, False)
    assert set(data.train) == set(text)


def test_a_table_without_a_split_says_so():
    data = datasets.load_penguins()
    for name in PARTS:
        with pytest.raises(AttributeError, match="has no fixed split; divide `table` yourself"):
            getattr(data, name)
    with pytest.raises(AttributeError, match=r"'Table' object has no attribute 'tabel'$"):
        _ = data.tabel


# Missing values -------------------------------------------------------------------------------


def test_ames_keeps_its_level_none():
    table = datasets.load_ames().table
    assert table.isna().sum().sum() == 0
    assert (table["Mas_Vnr_Type"] == "None").sum() == 1775
    assert (table["Misc_Feature"] == "None").sum() == 2824


@pytest.mark.parametrize("name", TABLES)
def test_empty_cells_and_nothing_else_are_missing(name):
    import gzip

    data = load(name)
    file = f"{name.removeprefix('load_')}.csv.gz"
    with gzip.open(datasets.DATA_DIR / file, "rt", encoding="utf-8", newline="") as stream:
        raw = pd.read_csv(stream, dtype=str, keep_default_na=False)
    table = data.table[raw.columns]
    pd.testing.assert_frame_equal(table.isna(), raw == "")
    for column in table.select_dtypes("number"):  # the numbers are the file's numbers
        np.testing.assert_array_equal(
            table[column].dropna(), pd.to_numeric(raw[column][raw[column] != ""])
        )


# The data card --------------------------------------------------------------------------------


def card_section(file):
    return re.split(r"\n## ", CARD.split(f"\n## {file}\n")[1])[0]


def test_checksums_are_those_of_the_files_and_of_the_card():
    shipped = {path.name for path in datasets.DATA_DIR.iterdir()} - {"README.md"}
    assert shipped == set(datasets.SHA256)
    for name, checksum in datasets.SHA256.items():
        content = (datasets.DATA_DIR / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == checksum
        assert re.findall(r"\*\*sha256:\*\* `(\w+)`", card_section(name)) == [checksum]


def test_card_lists_every_file_with_its_loader():
    rows = dict(re.findall(r"^\| \[(\S+)\]\(#\S+\) \| `(\w+)`", CARD, re.M))
    assert rows == LOADERS
    for name, anchor in re.findall(r"^\| \[(\S+)\]\(#(\S+)\)", CARD, re.M):
        assert anchor == name.replace(".", "")
    labels = ["Source", "Licence", "Content", "Made by", "Split", "Problems", "Citation", "sha256"]
    for name in datasets.SHA256:
        assert re.findall(r"^- \*\*([\w ]+):\*\*", card_section(name), re.M) == labels
    size = sum((datasets.DATA_DIR / name).stat().st_size for name in datasets.SHA256)
    assert f"eleven files, {size / 1e6:.1f} MB" in CARD
    assert len(datasets.SHA256) == 11


@pytest.mark.parametrize("name", datasets.SHA256)
def test_docstring_names_the_licence_of_the_card(name):
    identifiers = re.search(rf"^\| \[{re.escape(name)}\].*\| (.*) \|$", CARD, re.M)[1].split(", ")
    docstring = getattr(datasets, LOADERS[name]).__doc__
    assert "Reference: " in docstring
    for identifier in identifiers:
        assert identifier in docstring
        assert identifier in card_section(name)


def claims():
    """Yields (file, a claim of its card with the numbers computed from the data)."""
    fashion = datasets.load_fashion_mnist()
    counts = np.bincount(fashion.validation.y)
    yield "fashion_mnist.npz", f"({counts.min()} to {counts.max()} a class)"
    yield "fashion_mnist.npz", f"{(np.bincount(fashion.test.y) == 200).all() and 200} test images"
    mnist = datasets.load_mnist()
    yield (
        "mnist.npz",
        f"{(np.bincount(mnist.test.y) == 100).all() and 100} of each in the test part",
    )

    emoji = datasets.load_emoji32()
    counts = np.bincount(np.concatenate([part.y for part in parts(emoji)]))
    yield "emoji32.npz", f"({counts.sum()}, 32, 32, 3)"
    yield "emoji32.npz", "| " + " | ".join(emoji.class_names) + " |"
    yield "emoji32.npz", "| " + " | ".join(f"{count:,}" for count in counts) + " |"
    train, validation, test = (set(part.groups["code"]) for part in parts(emoji))
    yield "emoji32.npz", f"{len(train | validation | test):,} different ones"
    first = {code.split("-")[0] for code in train | validation}
    siblings = sum(code.split("-")[0] in first for code in test)
    yield "emoji32.npz", f"{siblings} of the {len(test)} test emoji begin with"

    brain = datasets.load_brain()
    mask = np.concatenate([part.y for part in parts(brain)])
    order = np.argsort(np.concatenate([part.groups["slice"] for part in parts(brain)]))
    below, above = mask[order][:-1], mask[order][1:]
    overlap = (below & above).sum((1, 2)) / (below | above).sum((1, 2))
    yield "brain.npz", f"{mask.mean():.1%} of all pixels".replace("%", " %")
    yield "brain.npz", f"one slice apart have a mean IoU of {overlap.mean():.2f})"
    distance = np.abs(brain.test.groups["slice"][:, None] - brain.train.groups["slice"])
    copied = brain.train.y[distance.argmin(1)]
    score = (copied & brain.test.y).sum() / (copied | brain.test.y).sum()
    yield "brain.npz", f"scores an IoU of {score:.2f} on the test part"
    fills = (
        f"{brain.train.y.mean():.0%} of the training pixels and {brain.test.y.mean():.0%} of the"
    )
    yield "brain.npz", fills.replace("%", " %")

    ames = datasets.load_ames().table
    yield "ames.csv.gz", f"unknown ({(ames.Lot_Frontage == 0).sum()} rows)"
    yield "ames.csv.gz", f'"Unknown" ({(ames.Electrical == "Unknown").sum()})'
    yield "ames.csv.gz", f"`Mas_Vnr_Type` ({(ames.Mas_Vnr_Type == 'None').sum():,} rows)"
    yield "ames.csv.gz", f"`Misc_Feature` ({(ames.Misc_Feature == 'None').sum():,})"
    large = ames[(ames.Gr_Liv_Area > 4600) & (ames.Sale_Condition == "Partial")].Sale_Price
    assert len(large) == 3 == (ames.Gr_Liv_Area > 4600).sum()
    yield "ames.csv.gz", f"at {large.min():,} to {large.max():,} dollars"
    codes = ames[["BsmtFin_Type_1", "BsmtFin_SF_1"]].drop_duplicates().BsmtFin_SF_1
    assert sorted(codes) == list(range(8))  # each code belongs to one type

    penguins = datasets.load_penguins().table
    species = [f"{count} {name}" for name, count in penguins.species.value_counts().items()]
    yield "penguins.csv.gz", ", ".join(species)
    gaps = penguins.isna().sum()
    yield "penguins.csv.gz", f"missing for {gaps.body_mass_g} birds, the sex for {gaps.sex}"
    assert (penguins.groupby("species").island.nunique() == [3, 1, 1]).all()

    flights = datasets.load_flights_cancelled().table
    cancelled = flights.cancelled
    yield "flights_cancelled.csv.gz", f"{cancelled.sum()} rows, {cancelled.mean():.2%}"[:-1] + " %"
    yield "flights_cancelled.csv.gz", f"right in {1 - cancelled.mean():.2%}"[:-1] + " %"
    gaps = flights.isna().mean()
    yield "flights_cancelled.csv.gz", f"missing in {gaps.wind_gust:.0%}"[:-1] + " % of the rows"
    yield "flights_cancelled.csv.gz", f"missing in {gaps.pressure:.0%}"[:-1] + " %. Two rows occur"
    assert flights.duplicated().sum() == 2

    births = datasets.load_us_births().table
    weekend = births.births[births.day_of_week > 5].groupby(births.year).mean()
    drop = 1 - weekend / births.births[births.day_of_week <= 5].groupby(births.year).mean()
    fall = f"{drop[1969]:.0%} below weekdays in 1969, {drop[1988]:.0%} in 1988"
    yield "us_births.csv.gz", fall.replace("%", " %")

    stays = datasets.load_animal_shelter().table
    born, taken = pd.to_datetime(stays["DOB"]), pd.to_datetime(stays["Intake Date"])
    yield "animal_shelter.csv.gz", f"{(born > taken).sum()} births after the intake"
    yield "animal_shelter.csv.gz", f"the last in {born.max().year}"
    yield "animal_shelter.csv.gz", f"({stays['Animal ID'].duplicated().sum():,} rows are"
    yield "animal_shelter.csv.gz", f"{stays['Animal Name'].str.startswith('*').sum():,} names with"
    yield "animal_shelter.csv.gz", f"{stays['Outcome Subtype'].nunique()} outcome subtypes"
    unknown = stays["Outcome Type"].isna()
    assert stays.was_outcome_alive[unknown].all()
    yield "animal_shelter.csv.gz", f"in the {unknown.sum()} rows without an outcome"
    share = (stays["Outcome Type"] == "EUTHANASIA").mean()
    yield "animal_shelter.csv.gz", f"{share:.1%} of the stays".replace("%", " %")
    assert (stays.isna().any().sum(), stays.duplicated().sum()) == (9, 1)

    loans = datasets.load_credit_data().table
    bad = loans.Status == "bad"
    yield "credit_data.csv.gz", f"{bad.sum():,} rows, {bad.mean():.1%}"[:-1] + " %"
    gaps = loans.isna().sum()
    yield "credit_data.csv.gz", f"{gaps.sum()} missing cells: `Income` {gaps.Income}, "
    yield "credit_data.csv.gz", f"`Assets` {gaps.Assets}, `Debt` {gaps.Debt}, `Home` {gaps.Home}"
    assert loans.duplicated().sum() == 2


def test_card_claims_what_the_data_say():
    for file, claim in claims():
        text = " ".join(card_section(file).split())
        assert claim in text, f"{file}: the data say {claim!r}, the card does not"


# Damage ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", datasets.SHA256)
def test_a_missing_file_is_named_with_its_checksum_and_the_way_out(data_dir, name):
    with pytest.raises(DataFileError) as caught:
        load(LOADERS[name])
    message = str(caught.value)
    assert message.startswith(f"The data file {name} is missing or cannot be read. ")
    assert f"Expected: sha256 {datasets.SHA256[name]}. Received: " in message
    assert str(data_dir) in message
    assert f"`git checkout -- data/{name}`, or reinstall the package." in message
    assert isinstance(caught.value, OSError)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("damage", ["truncated", "one bit", "empty", "pointer"])
def test_a_damaged_file_is_named_with_both_checksums(data_dir, damage):
    name = "penguins.csv.gz"
    content = (SHIPPED / name).read_bytes()
    damaged = {
        "truncated": content[:-1],
        "one bit": content[:-1] + bytes([content[-1] ^ 1]),
        "empty": b"",
        "pointer": b"version https://git-lfs.github.com/spec/v1\n",
    }[damage]
    (data_dir / name).write_bytes(damaged)
    with pytest.raises(DataFileError) as caught:
        datasets.load_penguins()
    found = hashlib.sha256(damaged).hexdigest()
    assert str(caught.value) == (
        f"The data file {name} is damaged. Expected: sha256 {datasets.SHA256[name]}. "
        f"Received: sha256 {found}, {len(damaged):,} bytes in {data_dir}. "
        f"Restore it with `git checkout -- data/{name}`, or reinstall the package."
    )


def test_a_folder_in_the_place_of_a_file_is_an_error_of_the_same_kind(data_dir):
    (data_dir / "mnist.npz").mkdir()
    with pytest.raises(DataFileError, match=r"mnist\.npz is missing or cannot be read"):
        datasets.load_mnist()


def test_check_files_names_each_problem_once(data_dir):
    (data_dir / "ames.csv.gz").write_bytes(b"not a table")
    problems = datasets.check_files()
    assert len(problems) == len(datasets.SHA256)
    for name, problem in zip(datasets.SHA256, problems, strict=True):
        assert f"The data file {name} is " in problem
        assert ("is damaged" in problem) == (name == "ames.csv.gz")


def test_check_files_finds_nothing_wrong():
    assert datasets.check_files() == []


def test_nothing_is_unpickled(data_dir, monkeypatch):
    np.savez(data_dir / "mnist.npz", x_train=np.array([{"an": "object"}], dtype=object))
    checksum = hashlib.sha256((data_dir / "mnist.npz").read_bytes()).hexdigest()
    monkeypatch.setitem(datasets.SHA256, "mnist.npz", checksum)
    with pytest.raises(ValueError, match="allow_pickle=False"):
        datasets.load_mnist()


# A learner's own changes ----------------------------------------------------------------------


@pytest.mark.parametrize("name", IMAGES)
def test_changing_images_in_place_leaves_the_next_load_and_the_other_parts_alone(name):
    data, fresh = load(name), load(name)
    data.train.x[:] = 7
    data.train.y[:] = 0
    for part, other in zip(parts(data)[1:], parts(fresh)[1:], strict=True):
        np.testing.assert_array_equal(part.x, other.x)
        np.testing.assert_array_equal(part.y, other.y)
    again = load(name)
    for part, other in zip(parts(again), parts(fresh), strict=True):
        np.testing.assert_array_equal(part.x, other.x)
        np.testing.assert_array_equal(part.y, other.y)


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.filterwarnings("error")
def test_changing_a_table_in_place_leaves_the_next_load_and_the_other_parts_alone(name):
    data = load(name)
    tables = [data.table, *(parts(data) if isinstance(data, SplitTable) else [])]
    for table in tables:
        table.loc[0, data.target] = table.loc[1, data.target]
        table["mine"] = 1
        del table[data.target]
    again = load(name)
    assert again.table.shape == TABLES[name][0]
    assert "mine" not in again.table
    for table in tables[1:]:
        assert list(table) == list(data.table)


def test_fields_cannot_be_replaced_by_accident():
    data = datasets.load_penguins()
    with pytest.raises(AttributeError, match="cannot assign to field 'table'"):
        data.table = None


# CIFAR-10 -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*IMAGES, *TABLES, "load_shakespeare"])
def test_loading_is_silent(name, capsys):
    load(name)
    assert capsys.readouterr() == ("", "")


def test_cifar10_says_that_the_stand_in_is_one(capsys):
    data = datasets.load_cifar10()
    assert capsys.readouterr() == (
        "This is not CIFAR-10 but its offline stand-in, 7,080 colour emoji in 8 classes; "
        "load_cifar10(download=True) fetches the photographs.\n",
        "",
    )
    expected = datasets.load_emoji32()
    assert data.class_names == expected.class_names
    assert sum(map(len, parts(data))) == 7080
    np.testing.assert_array_equal(data.train.x, expected.train.x)


@pytest.mark.parametrize("download", ["yes", 1, None])
def test_cifar10_refuses_what_is_not_a_bool(download):
    with pytest.raises(ValueError) as caught:
        datasets.load_cifar10(download=download)
    assert str(caught.value) == (
        f"`download` must be True or False. Received: download={download!r}"
    )


@pytest.mark.parametrize(
    "error",
    [
        Exception("URL fetch failure on https://example.org: None -- Name not known"),
        urllib.error.URLError("Name not known"),
        ValueError("Incomplete or corrupted file detected."),
    ],
)
def test_cifar10_without_a_network_is_a_sentence(monkeypatch, error):
    from keras.datasets import cifar10

    def load_data():
        raise error

    monkeypatch.setattr(cifar10, "load_data", load_data)
    with pytest.raises(ConnectionError) as caught:
        datasets.load_cifar10(download=True)
    assert str(caught.value) == (
        f"CIFAR-10 could not be fetched. Received: {error}. Check the network and try again, "
        "or take the offline stand-in: load_cifar10()."
    )
    assert caught.value.__suppress_context__  # one sentence, without the stack below it


def test_cifar10_from_the_network_has_the_shape_of_the_stand_in(monkeypatch, capsys):
    from keras.datasets import cifar10

    def arrays(rows):
        labels = (np.arange(rows) % 10).astype("uint8").reshape(-1, 1)
        return np.broadcast_to(np.uint8(3), (rows, 32, 32, 3)), labels

    monkeypatch.setattr(cifar10, "load_data", lambda: (arrays(50000), arrays(10000)))
    data = datasets.load_cifar10(download=True)
    assert capsys.readouterr().out == ""
    assert type(data) is Dataset
    assert data.class_names[:2] == ("airplane", "automobile")
    assert len(data.class_names) == 10
    for part, rows in zip(parts(data), (45000, 5000, 10000), strict=True):
        assert part.x.shape == (rows, 32, 32, 3)
        assert part.x.dtype == "uint8"
        assert part.y.dtype == "int64"
        np.testing.assert_array_equal(np.bincount(part.y), rows // 10)
        assert part.groups == {}
