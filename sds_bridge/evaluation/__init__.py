"""How good a result is: distances between sounds, and alignment of a sound with a text."""
