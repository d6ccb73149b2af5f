"""The real engines that play exported presets, one a room. None needs torch."""
