"""From raw answers to scores. Needs no model and no pictures: `folder.score_folder`."""
