"""Two changes to what Sphinx reads: names of places on a lesson's page, and empty table heads."""

from docutils import nodes
from docutils.transforms import Transform


class Places(Transform):
    """Make names of places short, and first, so that the link beside a heading is the lasting one.

    `(optimizers-momentum-step)=` on the page `lessons/optimizers` is `#momentum-step`.

    The long name is there because Sphinx wants it to be the only one of all pages.
    """

    default_priority = 700  # the targets have been put into the sections, no label is read yet

    def apply(self):
        """Rename the places of this page."""
        folder, _, name = self.document.settings.env.docname.rpartition("/")
        if folder != "lessons":
            return
        slug = name.replace("_", "-")
        for node in list(self.document.findall(nodes.section)):
            long = [name for name in node["ids"] if name.startswith(f"{slug}-")]
            for name in long:
                short = name.removeprefix(f"{slug}-")
                self._rename(short, f"{short}-heading")  # a heading of that very word
                self._rename(name, short)
            short = [name.removeprefix(f"{slug}-") for name in long]
            node["ids"].sort(key=lambda name: name not in short)

    def _rename(self, old: str, new: str) -> None:
        """Give a place another name, if there is one of the old name."""
        if node := self.document.ids.pop(old, None):
            self.document.ids[new] = node
            node["ids"] = [new if name == old else name for name in node["ids"]]
            for label, place in self.document.nameids.items():
                if place == old:
                    self.document.nameids[label] = new


class Heads(Transform):
    """Give an empty head of a column a word that only screen readers say."""

    default_priority = 700

    def apply(self):
        """Fill the empty heads of this page's tables."""
        for head in self.document.findall(nodes.thead):
            for entry in head.findall(nodes.entry):
                if not entry.astext().strip():
                    word = nodes.inline("", "Row", classes=["visually-hidden"])
                    entry[:] = [nodes.paragraph("", "", word)]


def setup(app):
    """Register the transforms."""
    app.add_transform(Places)
    app.add_transform(Heads)
    return {"parallel_read_safe": True}
