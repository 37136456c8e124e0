"""Sphinx: lessons from stored outputs, reference from docstrings, nothing from the network."""

import sys
from pathlib import Path

HERE, ROOT = Path(__file__).parent, Path(__file__).parents[2]
sys.path[:0] = [str(HERE), str(ROOT / "tools"), str(ROOT)]

project = "Training models with Keras 3"
author = "the authors of keras-coursekit"
project_copyright = f"{author}: code under Apache 2.0, prose and figures under CC BY 4.0"
language = "en"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "docstrings",  # these three are beside this file
    "formulas",
    "places",
]

nb_execution_mode = "off"
nb_merge_streams = True
myst_enable_extensions = ["amsmath", "dollarmath"]

autosummary_generate = False
autodoc_inherit_docstrings = False
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
napoleon_custom_sections = ["Shapes", "Numerics"]
napoleon_use_ivar = True  # otherwise a dataclass describes its fields twice

html_title = project
html_context = {"default_mode": "auto"}
html_sidebars = {name: [] for name in ("index", "topics", "cards", "progress", "accessibility")}
html_theme = "pydata_sphinx_theme"
html_static_path = ["_static"]
html_css_files = ["site.css"]
SCRIPTS = ("progress.js", "questions.js", "cards.js", "scroll.js")
html_js_files = [(name, {"defer": "defer"}) for name in SCRIPTS]
html_copy_source = False
html_domain_indices = False
html_show_sourcelink = False
html_show_sphinx = False
html_theme_options = {
    "logo": {"text": "Keras training"},  # a longer one makes a phone's header too wide
    "footer_end": [],
    "footer_start": ["copyright"],
    "header_links_before_dropdown": 6,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "show_nav_level": 1,
}
