"""How change polygons look in QGIS: three styles, in colours that colour-blind readers can tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from jinja2 import Environment, PackageLoader, StrictUndefined

from geochange.exports.vectors.fields import STATUS
from geochange.viz.pictures import SCORE_RAMP

CLASS_COLORS = (
    "#e41a1c",
    "#377eb8",
    "#4daf4a",
    "#984ea3",
    "#ff7f00",
    "#a65628",
    "#f781bf",
    "#999999",
)
"""ColorBrewer Set1 without its yellow; classes beyond the eighth start again."""

OWN_CLASS_COLORS = {
    "change": "#e41a1c",
    "brighter": "#ff7f00",
    "darker": "#377eb8",
    "vegetation_gain": "#4daf4a",
    "vegetation_loss": "#a65628",
}
"""Colours of the classes that geochange names itself: the same in every report and project."""

STYLES = {
    "by class": "by_class.qml.jinja",
    "by score": "by_score.qml.jinja",
    "by review": "by_review.qml.jinja",
}
"""Name to template; the first one is the default."""

TEMPLATES = Environment(
    loader=PackageLoader("geochange.exports"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
"""All templates of exports; whatever they are given is escaped."""


def class_colors(classes: Iterable[str | None]) -> dict[str, str]:
    """Give each named class a colour, the same for the same set of classes.

    Examples
    --------
    >>> class_colors(["vanished", "appeared", "vegetation_gain"])
    {'appeared': '#e41a1c', 'vanished': '#377eb8', 'vegetation_gain': '#4daf4a'}
    """
    names = sorted({name for name in classes if name is not None})
    others = [name for name in names if name not in OWN_CLASS_COLORS]
    cycled = {name: CLASS_COLORS[i % len(CLASS_COLORS)] for i, name in enumerate(others)}
    return {name: OWN_CLASS_COLORS.get(name) or cycled[name] for name in names}


def symbol_color(color: str, alpha: float = 1.0) -> str:
    """Turn ``#rrggbb`` into QGIS's ``r,g,b,a``.

    Examples
    --------
    >>> symbol_color("#e41a1c", 0.5)
    '228,26,28,128'
    """
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return f"{red},{green},{blue},{round(255 * alpha)}"


TEMPLATES.filters["rgba"] = symbol_color


def polygon_style(style: str, classes: Iterable[str], fields: Mapping[str, str]) -> str:
    """Return the QML document of one of :data:`STYLES`."""
    return TEMPLATES.get_template(STYLES[style]).render(**polygon_context(classes, fields))


def polygon_context(classes: Iterable[str], fields: Mapping[str, str]) -> dict[str, object]:
    """Return what the templates of polygon layers ask for."""
    return {
        "class_colors": class_colors(classes),
        "score_colors": SCORE_RAMP,
        "status_colors": STATUS,
        "fields": fields,
    }
