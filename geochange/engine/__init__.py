"""The dask graph: tiles in, finished tiles out."""
