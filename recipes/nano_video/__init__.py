"""Recipe of mien/nano-video."""
