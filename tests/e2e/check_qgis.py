"""Load a project in real QGIS, render its themes and print what it found as JSON.

Run by the interpreter that owns PyQGIS: ``QT_QPA_PLATFORM=offscreen python3 check_qgis.py
PROJECT PICTURES`` writes one PNG a theme into the folder PICTURES.
"""

import json
import sys
from pathlib import Path

from qgis.core import (
    QgsApplication,
    QgsMapRendererParallelJob,
    QgsMapSettings,
    QgsProject,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QSize
from qgis.PyQt.QtGui import QColor


def describe_layer(layer):
    """Return what a layer is, whether it works and how it is drawn."""
    return {
        "name": layer.name(),
        "valid": layer.isValid(),
        "renderer": layer.renderer().type(),
        "crs": layer.crs().authid() or layer.crs().toWkt()[:20],
        "temporal": layer.temporalProperties().isActive(),
        "source": layer.source(),
    }


def render(project, theme, path, size):
    """Draw a theme at the default extent and return its colours that occur most."""
    collection = project.mapThemeCollection()
    settings = QgsMapSettings()
    settings.setLayers(collection.mapThemeVisibleLayers(theme))
    settings.setLayerStyleOverrides(collection.mapThemeStyleOverrides(theme))
    settings.setDestinationCrs(project.crs())
    settings.setBackgroundColor(QColor("white"))
    settings.setOutputSize(QSize(*size))
    settings.setExtent(project.viewSettings().defaultViewExtent())
    job = QgsMapRendererParallelJob(settings)
    job.start()
    job.waitForFinished()
    image = job.renderedImage()
    image.save(str(path))
    colors = {image.pixel(x, y) for x in range(0, size[0], 5) for y in range(0, size[1], 5)}
    return {"layers": len(settings.layers()), "colors": len(colors)}


def check(path, pictures):
    """Return everything that the test asks about a project."""
    project = QgsProject.instance()
    loaded = project.read(str(path))
    layers = project.mapLayers()
    polygons = layers["geochange_changes_layer"]
    alone = QgsVectorLayer(polygons.source(), "alone", "ogr")
    bookmarks = project.bookmarkManager().bookmarks()
    extent = project.viewSettings().defaultViewExtent()
    times = project.timeSettings().temporalRange()
    size = (500, max(1, round(500 * extent.height() / extent.width())))
    styles = alone.listStylesInDatabase()
    return {
        "loaded": loaded,
        "error": project.error(),
        "crs": project.crs().authid() or project.crs().toWkt()[:20],
        "layers": {key: describe_layer(layer) for key, layer in layers.items()},
        "order": [layer.id() for layer in project.layerTreeRoot().layerOrder()],
        "groups": [group.name() for group in project.layerTreeRoot().findGroups()],
        "checked": [
            node.layerId() for node in project.layerTreeRoot().findLayers() if node.isVisible()
        ],
        "classes": [category.value() for category in polygons.renderer().categories()],
        "status_widget": polygons.editorWidgetSetup(polygons.fields().indexOf("status")).type(),
        "features": polygons.featureCount(),
        "map_tip": polygons.mapTipTemplate(),
        "stretch": {
            key: [
                layers[key].renderer().redContrastEnhancement().minimumValue(),
                layers[key].renderer().redContrastEnhancement().maximumValue(),
            ]
            for key in ("geochange_before_layer", "geochange_after_layer")
            if layers[key].renderer().type() == "multibandcolor"
        },
        "bookmarks": [bookmark.name() for bookmark in bookmarks],
        "bookmark_extent": bookmarks[0].extent().asWktPolygon() if bookmarks else None,
        "bookmark_crs": bookmarks[0].extent().crs().authid() if bookmarks else None,
        "period": [times.begin().toString("yyyy-MM-dd"), times.end().toString("yyyy-MM-dd")],
        "styles_alone": styles[2],
        "default_style": alone.renderer().type(),
        "themes": {
            theme: render(project, theme, Path(pictures) / f"{theme}.png", size)
            for theme in project.mapThemeCollection().mapThemes()
        },
    }


application = QgsApplication([], False)
application.initQgis()
found = check(sys.argv[1], sys.argv[2])
sys.stdout.write(json.dumps(found, indent=1))
sys.stdout.flush()
QgsProject.instance().clear()
application.exitQgis()
