"""Described feelings (FED), and the text model that reads them."""
