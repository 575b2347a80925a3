"""Reading a sample of a set by hand: a page to mark it on, and how well raters agree."""
