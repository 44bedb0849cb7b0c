"""Bad pixels of spectral images: values for them, their errors, and where they are."""
