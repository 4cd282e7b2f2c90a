"""Sphinx's settings. `make docs` builds this folder into out/docs, and a warning is an error.

What Sphinx is helped with stands in building/: the gallery of examples, the docstrings, links out of this folder, the
page of the command line. The tutorial's pictures are drawn anew at each build, by tutorial/pictures.py.
"""

from __future__ import annotations

import runpy
import sys
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "building"))

project = "unrolled"
author = "the unrolled project"
release = version = version_of("unrolled")
language = "en"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_gallery.gen_gallery",
    "docstrings",
    "links",
]
exclude_patterns = ["building", "gallery.py", "make_tour.py", "examples/*.ipynb"]
highlight_language = "none"  # indented blocks are equations
smartquotes_action = "D"  # dashes alone: "joint" is typed as it stands

html_theme = "furo"
html_title = "unrolled"
html_copy_source = False
html_show_copyright = False
html_static_path = ["static"]
html_css_files = ["style.css"]
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0072B2", "color-brand-content": "#0072B2"},
    "dark_css_variables": {"color-brand-primary": "#56B4E9", "color-brand-content": "#56B4E9"},
}

myst_heading_anchors = 4

default_role = "py:obj"  # `LSTM` in a docstring is a link where there is such a name, and code where there is none
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 100
python_use_unqualified_type_names = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_custom_sections = [(name, "params_style") for name in ("Data", "Network", "Training", "Inputs")]

sphinx_gallery_conf = {
    "examples_dirs": [str(HERE.parent / "examples")],
    "gallery_dirs": ["examples"],
    "filename_pattern": r"\.py$",
    "within_subsection_order": "examples.place",
    "image_scrapers": ("examples.saved_picture",),
    "reset_argv": "examples.folder_argument",
    "reset_modules": (),
    "capture_repr": (),
    "download_all_examples": False,
    "notebook_extensions": set(),
    "show_signature": False,
    "write_computation_times": False,
    "remove_config_comments": True,
    "min_reported_time": 0,
}


def make_pages(app: Any) -> None:
    """Draw the tutorial's pictures and write what is read off the code, before any page is read."""
    from command_line import write_page

    made = HERE / "_made"
    made.mkdir(exist_ok=True)
    write_page(made / "command_line.inc")
    runpy.run_path(str(HERE / "tutorial" / "pictures.py"))["main"](made)


def say_language(app: Any, page: str, template: str, context: dict[str, Any], tree: Any) -> None:
    """Mark Chinese pages as such: browsers choose the letters' forms by it, and screen readers the voice."""
    if page.endswith(".zh"):
        context["language"] = "zh-CN"


def setup(app: Any) -> None:
    """Tell Sphinx of `make_pages` and `say_language`."""
    app.connect("builder-inited", make_pages, priority=100)
    app.connect("html-page-context", say_language)
