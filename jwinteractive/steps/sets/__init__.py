"""Steps that look at several exposures together."""
