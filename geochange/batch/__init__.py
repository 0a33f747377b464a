"""A manifest of pairs: run them all, keep going when one fails, skip what is finished."""

from geochange.batch.manifest import Item as Item
from geochange.batch.manifest import read_manifest as read_manifest
from geochange.batch.results import ItemResult as ItemResult
from geochange.batch.run import plan_batch as plan_batch
from geochange.batch.run import run_batch as run_batch
from geochange.batch.shard import Shard as Shard
