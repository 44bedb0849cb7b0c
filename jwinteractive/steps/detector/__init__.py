"""Steps of the detector stage: from raw groups to count rates."""
