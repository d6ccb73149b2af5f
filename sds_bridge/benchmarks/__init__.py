"""Ratios measured in one run on this machine: ``python -m sds_bridge.benchmarks``."""
