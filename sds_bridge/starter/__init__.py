"""How the bundled starter prior is made: corpus, procedural sounds, mel codec, diffusion, judge."""
