"""A figure with a slider: what is stored, what is shown without a script, and what is refused."""

import io
import json
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from coursekit import plots
from coursekit.plots._explore import _made

VALUES = (1, 10, 1000)


def draw(value, height=2.0):
    fig, ax = plots.figure("A line", x="time", y="size", height=height)
    plots.curve(ax, value * np.arange(4.0), plots.TRAIN)
    ax.set_ylim(0, 30)
    return fig


def alt(value):
    return f"The line ends at {3 * value}. </script>"


@pytest.fixture(scope="module")
def made():
    plt.close("all")
    return _made(draw, VALUES, alt, "slope & unit", start=1)


def shots(made):
    text = re.search(r"const shots = (\[\[.*?\]\]), start", made._repr_html_(), re.S)[1]
    return json.loads(text.replace("<\\/", "</"))


def opened(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA")).astype(int)


def test_a_picture_and_a_caption_for_each_value(made):
    values, captions, pictures = zip(*shots(made), strict=True)
    assert values == ("1", "10", "1,000")
    assert captions == tuple(map(alt, VALUES)) and len(set(pictures)) == 3
    assert not plt.get_fignums()


def test_each_layer_over_the_first_picture_is_the_picture(made):
    base, *layers = map(opened, made.pngs)
    for value, layer in zip(VALUES, layers, strict=True):
        fig, raw = draw(value), io.BytesIO()
        fig.savefig(raw, format="png", dpi=120)
        plt.close(fig)
        seen = np.where(layer[..., 3:] > 0, layer, base)[..., :3]
        assert np.abs(seen - opened(raw.getvalue())[..., :3]).mean() < 2  # a palette of 48
    assert (layers[1][..., 3] == 0).all()  # nothing differs at the start


def test_without_a_script_there_are_the_first_picture_and_all_captions(made):
    page = re.sub(r"<script>.*?</script>", "", made._repr_html_(), flags=re.S)
    assert "<input" not in page and page.count("<img") == 1
    assert page.count("The line ends at 30. &lt;/script&gt;") == 3  # alt, caption, table
    assert all(f"ends at {3 * value}." in page for value in VALUES)
    assert "slope &amp; unit: all 3 in words" in page
    assert made._repr_html_().count("</script>") == 1


def test_the_same_words_and_bytes_every_time(made):
    again = _made(draw, VALUES, alt, "slope & unit", start=1)
    assert again._repr_html_() == made._repr_html_() and repr(again) == repr(made)
    assert repr(made).splitlines()[0] == "Figure with a slider, slope & unit:"


def test_it_is_displayed(capsys):
    plots.explore(draw, VALUES, alt, "slope")
    assert "Figure with a slider, slope:" in capsys.readouterr().out


@pytest.mark.parametrize(
    "changed, words",
    [
        ({"values": (1,)}, "2 to 24"),
        ({"values": range(25)}, "2 to 24"),
        ({"start": 3}, "from 0 to 2. Received: start=3"),
        ({"alt": lambda value: ""}, "a caption for each"),
        ({"alt": lambda value: "the same"}, "must differ"),
        ({"draw": lambda value: draw(value, height=2 + value / 1000)}, "one size"),
    ],
)
def test_what_is_refused(changed, words):
    arguments = {"draw": draw, "values": VALUES, "alt": alt, "what": "slope", "start": 0} | changed
    with pytest.raises(ValueError, match=re.escape(words)):
        _made(**arguments)
    plt.close("all")


def test_a_figure_that_is_too_large_is_refused(monkeypatch):
    monkeypatch.setattr("coursekit.plots._explore.LIMIT", 1000)
    with pytest.raises(ValueError, match=r"1,000 bytes at most\. Received: bytes="):
        _made(draw, VALUES, alt, "slope", 0)
