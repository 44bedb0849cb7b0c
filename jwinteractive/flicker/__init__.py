"""1/f noise of images: what it is in each line, and the images without it."""
