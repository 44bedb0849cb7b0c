"""The manual's pages that are made from the code: steps, official steps, modes, tutorials."""
