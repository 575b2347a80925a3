"""The one training loop of mien, on Hugging Face's Trainer."""

from mien.train.loop import fit, training_arguments

__all__ = ["fit", "training_arguments"]
