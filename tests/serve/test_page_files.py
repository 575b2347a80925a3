"""What the page is made of, without a browser."""

import json
import re
from importlib import resources

import pytest
from starlette.testclient import TestClient

from mien import facs
from mien.serve.app import create_app

FILES = sorted(file.name for file in (resources.files("mien.serve") / "page").iterdir())


def test_the_page_knows_every_unit_once(client):
    text = client.get("/").text
    regions = json.loads(re.search(r'id="regions">(.*?)</script>', text)[1])
    assert tuple(regions) == facs.REGIONS
    assert sorted(n for units in regions.values() for n in units) == sorted(facs.ACTION_UNITS)


def test_everything_that_the_page_names_is_there(client):
    for name in FILES:
        if name == "start.html":
            continue
        answer = client.get(f"/page/{name}")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(("text/css", "text/javascript"))
        for other in re.findall(r'from "\./([\w.]+)"', answer.text):
            assert other in FILES
    named = re.findall(r'(?:href|src)="page/([\w.]+)"', client.get("/").text)
    assert sorted(named) == ["page.css", "page.js"]


@pytest.mark.parametrize("name", FILES)
def test_no_file_speaks_of_another_address(name):
    text = (resources.files("mien.serve") / "page" / name).read_text(encoding="utf-8")
    addresses = set(re.findall(r"https?://[^\s\"'`]+", text))
    assert addresses <= {"http://www.w3.org/2000/svg"}  # a name of SVG, never asked
    assert "innerHTML" not in text


@pytest.mark.parametrize("name", ["start.html", "none.js", "..%2Fapp.py", "%2e%2e/app.py"])
def test_other_files_are_not_given_away(client, name):
    assert client.get(f"/page/{name}").status_code == 404


def test_the_page_opens_without_the_token_and_nothing_else_does(service):
    client = TestClient(create_app(service, token="long enough"), base_url="http://localhost")
    assert client.get("/").status_code == client.get("/page/page.js").status_code == 200
    assert client.get("/v1/models").status_code == 401
    assert client.post("/page/page.js").status_code in (401, 405)
