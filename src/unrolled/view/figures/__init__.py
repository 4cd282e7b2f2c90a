"""One module for each picture; each takes plain descriptions, `unrolled.figures` takes models."""
