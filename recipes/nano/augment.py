"""The augmentation of small grey faces, which `mien train` shares."""

from mien.train.augment import GREY_MEAN as MEAN
from mien.train.augment import GREY_STD as STD
from mien.train.augment import augment, plain

__all__ = ["MEAN", "STD", "augment", "plain"]
