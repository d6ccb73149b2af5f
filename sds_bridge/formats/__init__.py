"""Preset files that other programs open. Nothing here needs torch."""
