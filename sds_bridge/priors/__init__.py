"""Frozen text-to-audio diffusion models behind one interface."""
