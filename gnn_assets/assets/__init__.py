"""Assets, one file a stretch of the flow; `definitions.py` puts them together."""
