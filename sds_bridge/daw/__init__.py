"""Scripts that live inside a DAW, and what puts them there."""
