"""Audio-SDS: a frozen prior's score as a gradient on a renderer's parameters."""
