"""``python -m geochange``."""

import sys

from geochange.cli import main

sys.exit(main())
