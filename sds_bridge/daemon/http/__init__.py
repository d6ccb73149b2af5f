"""HTTP beside OSC: the same jobs, their files and sounds, and the page. Imports no torch."""
