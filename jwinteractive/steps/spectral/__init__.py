"""Steps of spectra: what follows on calibrated slits, spectral images, time series and cubes."""
