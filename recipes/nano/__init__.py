"""How mien/nano is made, from data to weights."""
