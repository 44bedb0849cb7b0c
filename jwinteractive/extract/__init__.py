"""Spectra from spectral images: apertures, profiles, and the sums and fits over them."""
