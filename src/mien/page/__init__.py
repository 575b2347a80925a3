"""Every HTML page of mien: one set of templates and one style, in files that need nothing else."""

from mien.page.elements import Cell, Picture, Row, Table, inlined
from mien.page.fill import fill, fill_around

__all__ = ["Cell", "Picture", "Row", "Table", "fill", "fill_around", "inlined"]
