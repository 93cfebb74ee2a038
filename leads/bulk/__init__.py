"""One act on many leads: in the background, batch by batch, with what came of each, to be stopped and taken back."""
