"""Results as catalogs hold them: STAC items, and one polygon a result."""
