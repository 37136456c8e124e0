"""A figure with a slider: pictures made beforehand, one piece of HTML, no widget, no network."""

import base64
import hashlib
import html
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from coursekit._checks import require

LIMIT = 300_000  # bytes of HTML
COLORS = 48  # of the pictures' palette

# One script for every figure. It makes the slider itself, so that a page that removes scripts
# (GitHub, a notebook that is not trusted) shows the first picture, its caption and the table below,
# and no dead control. `data-lm-suppress-shortcuts` must stand on the slider itself: on a parent of
# it JupyterLab still takes the arrow keys (move to the next cell, fold the heading).
SCRIPT = """(() => {
  const shots = SHOTS, start = START;
  for (const box of document.querySelectorAll('figure[data-explore="NAME"]:not([data-ready])')) {
    box.dataset.ready = '';
    const image = box.querySelector('img'), caption = box.querySelector('figcaption');
    const line = document.createElement('p'), label = document.createElement('label');
    const slider = document.createElement('input'), shown = document.createElement('output');
    Object.assign(slider, {type: 'range', min: 0, max: shots.length - 1, step: 1, value: start});
    slider.style.cssText = 'flex:1;min-width:8em;max-width:24em;min-height:24px';
    slider.dataset.lmSuppressShortcuts = 'true';
    line.style.cssText = 'margin:6px 0';
    label.style.cssText = 'display:flex;flex-wrap:wrap;gap:.7em;align-items:center;max-width:50em';
    shown.style.cssText = 'font-weight:bold;min-width:4em';
    caption.setAttribute('aria-live', 'polite');
    label.append(box.dataset.what, slider, shown);
    line.append(label);
    image.after(line);
    // Each value is a layer, the pixels that differ from the first picture. They are put together
    // here and shown as one picture: two on top of each other would not survive a page's own CSS
    // (a white ground under every picture, padding in dark mode), nor scaling.
    const canvas = document.createElement('canvas'), base = new Image();
    base.src = image.src;
    let asked = 0;
    const paint = async picture => {
      const turn = ++asked, layer = new Image();
      layer.src = picture;
      await Promise.all([base.decode(), layer.decode()]);
      if (turn !== asked) return;  // the slider has moved on
      canvas.width = base.naturalWidth; canvas.height = base.naturalHeight;
      const pen = canvas.getContext('2d');
      pen.drawImage(base, 0, 0); pen.drawImage(layer, 0, 0);
      image.src = canvas.toDataURL();
    };
    const show = () => {
      const [value, words, picture] = shots[slider.value];
      paint(picture); image.alt = words; caption.textContent = words;
      shown.textContent = value; slider.setAttribute('aria-valuetext', value);
    };
    slider.addEventListener('input', show);
    show();
  }
})()"""


@dataclass(frozen=True)
class Explorable:
    """Pictures and their captions, one for each value; a notebook shows them with a slider.

    Attributes:
        what: the quantity under the slider.
        values: where the slider stops, as they are shown.
        alts: the caption of each.
        pngs: the picture of `start`, then for each value a layer of what differs from it.
        width: of the picture, in pixels.
        start: where the slider stands at first.
    """

    what: str
    values: tuple[str, ...]
    alts: tuple[str, ...]
    pngs: tuple[bytes, ...]
    width: int
    start: int = 0

    def __repr__(self):
        lines = [f"{value}: {alt}" for value, alt in zip(self.values, self.alts, strict=True)]
        return "\n".join([f"Figure with a slider, {self.what}:", *lines])

    def _repr_html_(self) -> str:
        data = [f"data:image/png;base64,{base64.b64encode(png).decode()}" for png in self.pngs]
        shots = list(zip(self.values, self.alts, data[1:], strict=True))
        text = json.dumps(shots, ensure_ascii=False)
        text = text.replace("</", "<\\/").replace("<!--", "<\\!--")
        # Named by its words: pixels differ from machine to machine.
        name = hashlib.sha256(repr(self).encode()).hexdigest()[:12]
        script = SCRIPT.replace("START", str(self.start)).replace("NAME", name)
        script = script.replace("SHOTS", text)
        left = 'style="text-align:left;vertical-align:top"'
        rows = "".join(
            f'<tr><th scope="row" {left}>{html.escape(value)}</th>'
            f"<td {left}>{html.escape(alt)}</td></tr>"
            for value, alt in zip(self.values, self.alts, strict=True)
        )
        first, what = html.escape(self.alts[self.start]), html.escape(self.what)
        return (
            f'<figure data-explore="{name}" data-what="{what}" style="margin:0">'
            f'<img src="{data[0]}" alt="{first}" style="width:{self.width}px;max-width:100%">'
            f'<figcaption style="max-width:50em;min-height:3em;opacity:.85">{first}</figcaption>'
            f'<details style="margin:6px 0 0"><summary style="cursor:pointer">{what}: all '
            f"{len(self.values)} in words</summary><table>{rows}</table></details>"
            f"</figure><script>{script}</script>"
        )


def explore(
    draw: Callable[[Any], Figure],
    values: Sequence[Any],
    alt: Callable[[Any], str],
    what: str,
    start: int = 0,
) -> None:
    """Show a figure with a slider: one picture and one caption for each value.

    Works where a notebook is shown: JupyterLab, Colab, an exported page; by keyboard too. Without
    JavaScript there are the picture of `start` and a table of all captions.

    Args:
        draw: a function from a value to a figure, which is closed.
        values: where the slider stops, 2 to 24 of them; shown as they print.
        alt: a function from a value to its caption: what one sees there, in a sentence or two.
        what: the quantity, with its unit: "rows on each chip".
        start: at which of the values the slider stands at first. Defaults to 0.

    Raises:
        ValueError: for another number of values, a `start` that is none of them, captions that are
            missing or the same, figures of unequal size, and more than 300 kB of HTML.
    """
    from IPython.display import display

    display(_made(draw, values, alt, what, start))


def _made(draw, values, alt, what, start) -> Explorable:
    values = list(values)
    require(2 <= len(values) <= 24, "`values` must be 2 to 24.", values=values)
    stands = isinstance(start, int) and 0 <= start < len(values)
    require(stands, f"`start` must be an integer from 0 to {len(values) - 1}.", start=start)
    alts = [alt(value) for value in values]
    told = all(isinstance(words, str) and words.strip() for words in alts)
    require(told, "`alt` must give a caption for each value.", captions=alts)
    differ = len(set(alts)) == len(alts)
    require(differ, "The captions of two values must differ: say what changes.", captions=alts)
    figures = [draw(value) for value in values]
    sizes = {tuple(figure.get_size_inches()) for figure in figures}
    shots = [_pixels(figure) for figure in figures]
    for figure in figures:
        plt.close(figure)
    require(len(sizes) == 1, "All figures must have one size, or the page jumps.", sizes=sizes)
    labels = tuple(value if isinstance(value, str) else f"{value:,g}" for value in values)
    width = int(sizes.pop()[0] * 96)
    made = Explorable(what, labels, tuple(alts), tuple(_layers(shots, start)), width, start)
    size = len(made._repr_html_())
    require(size <= LIMIT, f"The figure must take {LIMIT:,} bytes at most.", bytes=size)
    return made


def _pixels(figure: Figure) -> np.ndarray:
    from PIL import Image

    raw = io.BytesIO()
    figure.savefig(raw, format="png", dpi=120, metadata={"Software": None})
    return np.asarray(Image.open(raw).convert("RGB"))


def _layers(shots: list[np.ndarray], start: int) -> list[bytes]:
    """Return the first picture and, for each value, the pixels that differ from it, as PNGs.

    One palette for all, made of all: no colour jumps, and the same bytes every time.
    """
    from PIL import Image

    stacked = Image.fromarray(np.concatenate(shots))
    palette = stacked.quantize(COLORS, method=Image.Quantize.MEDIANCUT)
    levels = np.array(palette.getpalette()[: 3 * COLORS]).reshape(-1, 3)
    levels[levels.min(axis=1) > 245] = 255  # paper stays white
    colors = levels.ravel().tolist()
    palette.putpalette(colors)
    plain = Image.Dither.NONE
    flat = [np.asarray(Image.fromarray(s).quantize(palette=palette, dither=plain)) for s in shots]

    def png(indices, **more):
        picture, out = Image.fromarray(indices), io.BytesIO()
        picture.putpalette([*colors, 0, 0, 0])
        picture.save(out, format="png", optimize=True, **more)
        return out.getvalue()

    base = flat[start]
    layers = [np.where(picture != base, picture, COLORS).astype("uint8") for picture in flat]
    return [png(base), *(png(layer, transparency=COLORS) for layer in layers)]
