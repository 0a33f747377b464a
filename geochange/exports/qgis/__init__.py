"""QGIS projects, written as text: QGIS is not needed."""
