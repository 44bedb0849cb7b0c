"""The steps of the installed official package; importing this does not import that."""
