"""Load the project of a series in real QGIS, play its temporal controller, print what it shows.

Run by the interpreter that owns PyQGIS: ``QT_QPA_PLATFORM=offscreen python3 check_series_qgis.py
PROJECT PICTURES`` writes one PNG a step of time into the folder PICTURES.
"""

import json
import sys
from pathlib import Path

from qgis.core import (
    QgsApplication,
    QgsDateTimeRange,
    QgsMapRendererParallelJob,
    QgsMapSettings,
    QgsProject,
    QgsTemporalNavigationObject,
)
from qgis.PyQt.QtCore import QSize
from qgis.PyQt.QtGui import QColor


def render(project, period, path):
    """Draw all checked layers at a period; returns how many pixels of vector red-blue lines."""
    layers = [node.layer() for node in project.layerTreeRoot().findLayers() if node.isVisible()]
    extent = project.viewSettings().defaultViewExtent()
    size = (400, max(1, round(400 * extent.height() / extent.width())))
    settings = QgsMapSettings()
    settings.setLayers(layers)
    settings.setDestinationCrs(project.crs())
    settings.setBackgroundColor(QColor("white"))
    settings.setOutputSize(QSize(*size))
    settings.setExtent(extent)
    settings.setIsTemporal(True)
    settings.setTemporalRange(period)
    job = QgsMapRendererParallelJob(settings)
    job.start()
    job.waitForFinished()
    image = job.renderedImage()
    image.save(str(path))
    shown = [
        layer.name()
        for layer in layers
        if layer.type() == layer.RasterLayer
        and layer.temporalProperties().isVisibleInTemporalRange(period)
    ]
    colors = {image.pixel(x, y) for x in range(0, size[0], 4) for y in range(0, size[1], 4)}
    return {"rasters": shown, "colors": len(colors)}


def count(layer, period):
    """Count the features that a layer shows at a period."""
    from qgis.core import QgsVectorLayerTemporalContext

    context = QgsVectorLayerTemporalContext()
    context.setLayer(layer)
    wanted = layer.temporalProperties().createFilterString(context, period)
    layer.setSubsetString("")
    return sum(1 for _ in layer.getFeatures(wanted)) if wanted else layer.featureCount()


def check(path, pictures):
    """Return everything that the test asks about a project."""
    project = QgsProject.instance()
    loaded = project.read(str(path))
    layers = project.mapLayers()
    changes = layers["geochange_changes_layer"]
    times = project.timeSettings()
    navigation = QgsTemporalNavigationObject()
    navigation.setTemporalExtents(times.temporalRange())
    from qgis.core import QgsInterval

    navigation.setFrameDuration(QgsInterval(times.timeStep(), times.timeStepUnit()))
    frames = []
    for number in range(min(navigation.totalFrameCount(), 40)):
        period = navigation.dateTimeRangeForFrameNumber(number)
        period = QgsDateTimeRange(period.begin(), period.end(), True, False)
        found = render(project, period, Path(pictures) / f"{number:02d}.png")
        frames.append(
            {
                "begin": period.begin().toString("yyyy-MM-dd"),
                "features": count(changes, period),
                **found,
            }
        )
    return {
        "loaded": loaded,
        "error": project.error(),
        "invalid": [layer.name() for layer in layers.values() if not layer.isValid()],
        "period": [
            times.temporalRange().begin().toString("yyyy-MM-dd"),
            times.temporalRange().end().toString("yyyy-MM-dd"),
        ],
        "temporal": changes.temporalProperties().isActive(),
        "features": changes.featureCount(),
        "fields": {field.name(): field.typeName() for field in changes.fields()},
        "classes": [category.value() for category in changes.renderer().categories()],
        "frames": frames,
    }


application = QgsApplication([], False)
application.initQgis()
found = check(sys.argv[1], sys.argv[2])
sys.stdout.write(json.dumps(found, indent=1))
sys.stdout.flush()
QgsProject.instance().clear()
application.exitQgis()
