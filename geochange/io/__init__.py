"""The only room that moves pixels and features between files and memory."""

import os
import warnings

from rasterio.errors import NotGeoreferencedWarning

# Pairs without georeferencing are a supported input; open_pair says so in its notes, once a run.
warnings.filterwarnings("ignore", category=NotGeoreferencedWarning)

# GDAL's block cache would grow to 5 % of the machine's memory; tiles are read once, so it need not.
os.environ.setdefault("GDAL_CACHEMAX", "192")
