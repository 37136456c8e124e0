"""Formulas as MathML, made by docutils: no script, no network, and screen readers read them."""

import html
import re
from xml.etree import ElementTree

from docutils.utils.math import latex2mathml

NAMESPACE = "http://www.w3.org/1998/Math/MathML"
ENTITY = re.compile(r"&(?!amp;|lt;|gt;|quot;)\w+;")  # XML knows those four
BRACES = ("⏟", "⏞")


def mathml(latex: str, block: bool) -> str:
    """Return a formula as MathML."""
    ElementTree.register_namespace("", NAMESPACE)
    text = latex2mathml.tex2mathml(latex, as_block=block)
    root = ElementTree.fromstring(ENTITY.sub(lambda match: html.unescape(match[0]), text))
    for node in root.iter():
        # docutils sets the words of an underbrace beside it, as an index.
        braced = len(node) and any(b.text in BRACES for b in node[0][1:2])
        if braced and node.tag.endswith(("}msub", "}msup")):
            node.tag = node.tag.replace("msub", "munder").replace("msup", "mover")
    return ElementTree.tostring(root, encoding="unicode")
