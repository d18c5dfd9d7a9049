"""Builds a page that holds everything it needs: styles, scripts and data inline, and a policy that forbids the rest.

The Content-Security-Policy names the one style sheet and the one script by their SHA-256 (W3C CSP3, section 2.3.1), so that nothing
that slipped into the page as text could run.
"""

from __future__ import annotations

import base64
import hashlib
import json
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup

_STATIC, _TEMPLATES = "static", "templates"
#: What a JSON text in a page must not contain literally: the end of its element, and line ends that older JavaScript does not allow.
_ESCAPED = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
#: Styles and scripts of every page, in the order in which they build on each other.
STYLES = ("base.css",)
SCRIPTS = ("core.js", "theme.js", "table.js")
CHART_STYLES = ("chart.css",)
CHART_SCRIPTS = ("format.js", "series.js", "path.js", "chart.js", "lane.js", "stack.js")


def render(template: str, *, data: Any, styles: Sequence[str] = (), scripts: Sequence[str] = (), **context: Any) -> str:
    """The page of *template* (a file in templates/). *data* is what its scripts read; numbers in it are finite.

    *styles* and *scripts* (files in static/) come behind those of every page. Whatever *context* holds is text, never markup.
    """
    from markupsafe import Markup

    from ... import __version__

    style = _joined([*STYLES, *styles], "style")
    script = _joined([*SCRIPTS, *scripts], "script")
    page: str = (
        _environment()
        .get_template(template)
        .render(
            **context,
            version=__version__,
            policy=policy(style, script),
            style=Markup(style),  # noqa: S704 - our own files
            script=Markup(script),  # noqa: S704
            data=embed(data),
        )
    )
    return page


def policy(style: str, script: str) -> str:
    """The Content-Security-Policy of a page with this one style sheet and this one script."""
    return f"default-src 'none'; style-src {_source(style)}; script-src {_source(script)}; base-uri 'none'; form-action 'none'"


def embed(data: Any) -> Markup:
    """*data* as JSON that can stand in a page's ``<script type="application/json">``. Raises ValueError for NaN and ±inf."""
    from markupsafe import Markup

    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    for character, written in _ESCAPED.items():
        text = text.replace(character, written)
    return Markup(text)  # noqa: S704 - nothing in it can end the element


def static(name: str) -> str:
    """A file of static/."""
    return _read(_STATIC, name)


def _joined(names: Sequence[str], element: str) -> str:
    text = "\n".join(static(name).strip() for name in names) + "\n"
    if f"</{element}" in text.lower():
        raise ValueError(f"{', '.join(names)}: </{element} would end the element it stands in")
    return text


def _source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode('ascii')}'"


def _read(folder: str, name: str) -> str:
    file = resources.files(__package__) / folder / name
    return file.read_text(encoding="utf-8").replace(
        "\r\n", "\n"
    )  # a parser of HTML does the same, and the hash must match


def _environment() -> Any:
    import jinja2

    from ..curves import scales
    from ..units import seconds

    made = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: _read(_TEMPLATES, name)),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["value"] = scales.value
    made.filters["seconds"] = seconds
    return made
