"""SDS Bridge: synth patches and stems from text, by audio score distillation."""

__version__ = "0.1.0"
