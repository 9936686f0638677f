"""Commands that a reader runs beside the chapters."""
