"""Settings of the site: ``make docs`` builds it with short trainings, ``make docs-full`` with whole ones."""

import os
import re
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from sphinx.util import logging

project = "ncvqvae"
author = copyright = "The ncvqvae maintainers"
release = version = metadata.version("ncvqvae")

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
exclude_patterns = ["_build", "**.ipynb_checkpoints"]
myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist"]
myst_heading_anchors = 3

# Tutorials are notebooks that run at each build. NCVQVAE_DOCS=off shows them without their results, to look at words.
nb_execution_mode = "off" if os.environ.get("NCVQVAE_DOCS") == "off" else "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 3600
nb_execution_in_temp = True
nb_output_stderr = "remove"
nb_merge_streams = True
nb_render_markdown_format = "myst"  # the default knows no tables

# Without a kernel no cell has a language.
suppress_warnings = ["myst-nb.lexer"] if nb_execution_mode == "off" else []
os.environ.update(TERM="dumb", COLUMNS="84", PYTHONWARNINGS="ignore", PYDEVD_DISABLE_FILE_VALIDATION="1")
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])

autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_class_signature = "separated"
napoleon_use_ivar = True
napoleon_use_rtype = False

copybutton_prompt_text = r"\$ |>>> "
copybutton_prompt_is_regexp = True

html_theme = "furo"
html_title = f"ncvqvae {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0a5c8f", "color-brand-content": "#0a5c8f"},
    "dark_css_variables": {"color-brand-primary": "#7cc4f5", "color-brand-content": "#7cc4f5"},
}

FETCHED = re.compile(r"""<(?:script|img|iframe|link(?=[^>]*rel="stylesheet"))[^>]*(?:src|href)="(?:https?:)?//[^"]*""")


def warn_of_fetched_parts(app: Any, error: Exception | None) -> None:
    """Pages must work offline: nothing that a browser loads by itself may come from elsewhere."""
    if error is not None or app.builder.format != "html":
        return
    for page in sorted(Path(app.outdir).rglob("*.html")):
        for found in FETCHED.findall(page.read_text(encoding="utf-8")):
            logging.getLogger(__name__).warning("%s loads %s", page.name, found)


def reach_by_keyboard(app: Any, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Let what scrolls by itself take the focus, and give the captions of the navigation a level (axe-core's rules)."""
    body = context.get("body", "").replace("<pre", '<pre tabindex="0"')
    # docutils gives the id of a table with a title to the box around it as well
    context["body"] = re.sub(r'<div class="(table-wrapper[^"]*)"( id="[^"]*")?', r'<div tabindex="0" class="\1"', body)
    tree = context.get("furo_navigation_tree", "")
    context["furo_navigation_tree"] = tree.replace('role="heading"', 'role="heading" aria-level="2"')


def setup(app: Any) -> None:
    """Register what this site adds to Sphinx."""
    app.connect("html-page-context", reach_by_keyboard, priority=900)  # after the theme, which makes the tree
    app.connect("build-finished", warn_of_fetched_parts)
