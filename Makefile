# Two commands do everything: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q

.PHONY: demo test test-range lint clean libraries

demo: $(VENV)/.installed libraries
	$(BIN)/mien analyze examples/*.jpg --overlay demo --report demo/report.html
	@echo "The overlay and report.html are in demo/"

test: $(VENV)/.installed-dev libraries lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto

# The quick tests with the lowest and the newest releases that pyproject.toml allows; `make test`
# has those of constraints.txt. TESTS="tests/models tests/train" runs a part. torch stays the pinned
# one: others pull gigabytes of GPU libraries.
test-range: build/lowest/.installed build/newest/.installed libraries
	for end in lowest newest; do \
	OMP_NUM_THREADS=1 build/$$end/bin/python -m pytest -n auto -m 'not slow' $(TESTS) || exit 1; done

build/%/.installed: pyproject.toml constraints.txt tests/range.py
	rm -rf build/$*
	$(PYTHON) -m venv build/$*
	$(PYTHON) tests/range.py $* > build/$*.txt
	build/$*/bin/python -m pip -q install "$$(grep '^torch==' constraints.txt)"
	build/$*/bin/python -m pip -q install -c build/$*.txt -e '.[train,grpo,frame,openai,serve,synth]' \
	  pytest pytest-xdist hypothesis schemathesis scikit-learn
	@touch $@

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# MediaPipe's library links to both, also where nothing is drawn.
libraries:
	@$(PYTHON) -c "import ctypes, sys; [ctypes.CDLL(n) for n in ('libEGL.so.1', 'libGLESv2.so.2') if sys.platform == 'linux']" 2>/dev/null \
	|| { echo "MediaPipe needs two system libraries: apt-get install libegl1 libgles2"; exit 1; }

# torch comes first and pinned: an unpinned one pulls gigabytes of GPU libraries.
$(VENV)/.torch: constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) install "$$(grep '^torch==' constraints.txt)"
	@touch $@

$(VENV)/.installed: $(VENV)/.torch pyproject.toml
	$(PIP) install -c constraints.txt -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP) install -c constraints.txt -e '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) demo build dist
