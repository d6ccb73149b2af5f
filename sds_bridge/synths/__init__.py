"""Differentiable synths: parameters in, waveform out."""
