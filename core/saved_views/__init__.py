"""Views of lists that people keep and share, and which columns they see: for every list that is registered (``kinds``)."""
