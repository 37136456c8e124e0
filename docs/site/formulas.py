"""Shows the formulas of all pages as MathML."""

from docutils import nodes
from docutils.utils.math import MathError
from site_formulas import mathml
from sphinx.util import logging

logger = logging.getLogger(__name__)


def visit_math(self, node: nodes.math) -> None:
    """Write a formula, in a line or in one of its own."""
    block = isinstance(node, nodes.math_block)
    try:
        made = mathml(node.astext(), block)
    except MathError as error:
        logger.warning("this formula cannot be shown: %s", error, location=node)
        made = self.encode(node.astext())
    if block:
        made = f'<div class="math" tabindex="0" role="group" aria-label="Formula">{made}</div>'
    self.body.append(made)
    raise nodes.SkipNode


def setup(app):
    """Register MathML as the way to write formulas."""
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math, None))
    app.config.html_math_renderer = "mathml"
    return {"parallel_read_safe": True, "parallel_write_safe": True}
