from mien.engines.answers import offered_expression
from mien.facs import LABEL_SETS
from mien.schema import Expression

QUESTION = "What is the expression of this face?"


def test_the_label_is_the_likeliest_that_the_prompt_offers():
    scores = dict.fromkeys(LABEL_SETS["basic8"], 0.0) | {
        "contempt": 0.5,
        "neutral": 0.3,
        "anger": 0.2,
    }
    found = Expression("contempt", "basic8", scores)
    listed = f"{QUESTION}\nChoose one from the following options: anger, neutral."
    assert offered_expression(listed, found) == "neutral"
    assert offered_expression(QUESTION, found) == "contempt"
    assert offered_expression(f"{QUESTION}\nIs there any anger?", found) == "contempt"
    assert offered_expression(listed.replace("anger", "Contempt, anger"), found) == "contempt"
